from __future__ import annotations

import numpy as np

from mlids.capture import crafting as c
from mlids.scans.contacts import Kind
from mlids.scans.flags import CORE, ODD, _classes, classed, odd_kinds
from mlids.testing import packets


def frame(flags: str) -> bytes:
    return c.ethernet(c.ip("192.0.2.1", "192.0.2.2", 6, c.tcp(1, 2, flags)))


def test_rows_by_what_they_do() -> None:
    flags = ["S", "SA", "R", "RA", "FA", "FPA", "F", "FPU", "", "A", "PA", "SEC", "FSRPAU", "FS"]
    rows = classed(packets(map(frame, flags)))
    named = [[flags[row] for row in part.tolist()] for part in rows]
    assert named == [
        ["S", "SEC"],
        ["SA"],
        ["R", "RA"],
        ["FA", "FPA"],
        ["F", "FPU", "FSRPAU", "FS"],
        [""],
    ]


def test_classes_ignore_the_congestion_bits() -> None:
    table = _classes()
    for flags in range(64):
        assert len({int(table[flags | more]) for more in (0, 64, 128, 192)}) == 1
    assert table[c.flag_bits("A")] == table[c.flag_bits("PA")] == 0


def test_each_odd_combination_is_a_kind_of_scan() -> None:
    for flags, kind in ODD.items():
        assert flags == flags & CORE
        assert odd_kinds(np.array([flags, flags | 0xC0], np.uint8)).tolist() == [kind, kind]
    assert odd_kinds(np.zeros(1, np.uint8)).tolist() == [Kind.NULL]


def test_what_is_no_tcp_has_no_flags() -> None:
    datagram = c.ethernet(c.ip("192.0.2.1", "192.0.2.2", 17, c.udp(1, 2)))
    later_fragment = c.ethernet(c.ipv4("192.0.2.1", "192.0.2.2", 6, bytes(40), offset=800))
    cut = frame("S")[:40]
    rows = classed(packets([datagram, later_fragment, cut]))
    assert all(len(part) == 0 for part in rows)
