from __future__ import annotations

import numpy as np

from mlids.capture import crafting as c
from mlids.oddities.headers import oddities
from mlids.testing import packets

A, B = "192.0.2.1", "198.51.100.2"


def found(frames: list[bytes]) -> dict[str, list[int]]:
    batch = packets(frames)
    return {name: rows.tolist() for name, rows in oddities(batch) if len(rows)}


def tcp(flags: str, sport: int = 4000, src: str = A) -> bytes:
    return c.ethernet(c.ip(src, B, 6, c.tcp(sport, 80, flags)))


def test_each_kind_gives_its_rows_in_order() -> None:
    frames = [tcp("S"), tcp("FPU"), tcp("A"), tcp(""), tcp("S", sport=0), tcp("S", src="127.0.0.1")]
    assert found(frames) == {"flags": [1, 3], "port-zero": [4], "impossible-source": [5]}


def test_every_packet_of_an_odd_conversation_counts() -> None:
    strange = c.ethernet(c.ip("240.0.0.9", B, 17, c.udp(5, 6, b"x")))
    answer = c.ethernet(c.ip(B, "240.0.0.9", 17, c.udp(6, 5, b"x")))
    frames = [strange, tcp("S"), strange, answer, strange]
    assert found(frames) == {"impossible-source": [0, 2, 4], "impossible-target": [3]}


def test_packets_without_a_transport_header_are_looked_at_too() -> None:
    frames = [c.ethernet(c.ipv4("127.0.0.1", B, 99, b"x")), tcp("S")]
    assert found(frames) == {"impossible-source": [0]}


def test_nothing_is_odd_about_nothing() -> None:
    assert found([]) == {}
    assert found([c.ethernet(b"\x42\x42\x03" + bytes(35), 38)]) == {}


def test_a_fault_hides_no_other_oddity() -> None:
    batch = packets([c.ethernet(c.ipv4("127.0.0.1", B, 17, c.udp(1, 2), total=900))])
    names = {name for name, rows in oddities(batch) if len(rows)}
    assert names == {"bad-length", "impossible-source"}
    assert np.count_nonzero(batch.fault) == 1
