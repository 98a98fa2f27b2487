from __future__ import annotations

import numpy as np
import pytest

from mlids.capture.addresses import HOME, Networks, words
from mlids.floods.associations import Associations
from mlids.floods.datagrams import ONE_WAY_PORTS, DatagramFloods, all_inside, unsolicited
from mlids.floods.findings import Finding
from mlids.floods.oneway import ALONE, ANSWERED, ASKS, DATAGRAM, ECHO_REPLY, OTHER
from mlids.floods.records import addresses, record
from mlids.floods.sketches import sketch

MS = 1_000_000


def rows(
    count: int, gap: float, flows: int = 0, src: str = "203.0.113.9", **more: object
) -> np.ndarray:
    """Records towards one host; flows: how many (0: each its own)."""
    made = np.zeros(count, record())
    numbers = np.arange(count)
    made["time"] = (numbers * gap * MS).astype(np.int64)
    made["src_hi"], made["src_lo"] = words(src)
    made["dst_hi"], made["dst_lo"] = words("192.168.1.10")
    made["key"] = addresses(made["dst_hi"], made["dst_lo"])
    made["flow"] = (numbers % (flows or count)).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    made["dport"], made["size"] = 9000, 20
    for name, value in more.items():
        made[name] = value
    return made


def found(made: np.ndarray, rate: float = 100, share: float = 1.0) -> list[Finding]:
    floods = DatagramFloods(rate, Networks(HOME), Associations())
    return list(floods.findings(made, share))


@pytest.mark.parametrize(("count", "told"), [(99, False), (100, True)])
def test_rate(count: int, told: bool) -> None:
    assert bool(found(rows(count, 9))) is told
    assert bool(found(rows(count, 9, kind=ASKS))) is told


def test_answered_rows_do_not_count() -> None:
    assert found(rows(900, 2, state=ANSWERED)) == []
    assert found(rows(900, 2, state=ANSWERED, kind=ASKS)) == []
    assert found(rows(3000, 0.5, state=ANSWERED, kind=ASKS)) != []  # not even pings, in masses
    assert found(rows(3000, 0.5, state=ANSWERED, kind=ECHO_REPLY)) == []
    assert found(rows(3000, 0.5, kind=OTHER)) != []


@pytest.mark.parametrize(
    ("gap", "flows", "size", "src", "told"),
    [
        (2, 1, 20, "203.0.113.9", False),  # 500 a second in one flow
        (0.5, 1, 20, "203.0.113.9", True),  # 2000 small ones
        (0.5, 1, 1200, "203.0.113.9", False),  # 2000 of video
        (0.5, 50, 1200, "203.0.113.9", True),  # in fifty flows
        (0.5, 1, 20, "192.168.1.66", False),
        (0.05, 1, 20, "192.168.1.66", True),
        (0.05, 1, 1400, "192.168.1.66", False),
        (0.04, 1, 1400, "203.0.113.9", True),
    ],
)
def test_streams(gap: float, flows: int, size: int, src: str, told: bool) -> None:
    count = int(1500 / gap)
    assert bool(found(rows(count, gap, flows, src, size=size))) is told


def test_ports_made_for_one_way() -> None:
    for port in ONE_WAY_PORTS:
        assert found(rows(900, 2, src="192.168.1.66", dport=port)) == []
    assert found(rows(900, 2, src="203.0.113.9", dport=514)) != []


def test_groups_are_no_targets() -> None:
    hi, lo = words("239.1.1.1")
    assert found(rows(900, 2, dst_hi=hi, dst_lo=lo)) == []


def test_smurf_needs_ten_hosts() -> None:
    made = rows(12, 50, kind=ECHO_REPLY)
    made["src_lo"] += np.arange(12, dtype=np.uint64)
    assert {one.technique for one in found(made)} == {"smurf"}
    assert found(rows(12, 50, kind=ECHO_REPLY)) == []


def test_share() -> None:
    assert found(rows(300, 20)) == []
    assert found(rows(300, 20), share=0.4)[0].rate >= 100


def test_all_inside_and_unsolicited() -> None:
    names = [words(text) for text in ("192.168.1.1", "10.0.0.1", "203.0.113.9")]
    hi, lo = (np.array(part, np.uint64) for part in zip(*names, strict=True))
    assert not all_inside(sketch(addresses(hi, lo), hi, lo), Networks(HOME))
    assert all_inside(sketch(addresses(hi[:2], lo[:2]), hi[:2], lo[:2]), Networks(HOME))
    made = rows(4, 1)
    made["state"], made["kind"] = (
        [ALONE, ANSWERED, ALONE, ANSWERED],
        [DATAGRAM, DATAGRAM, ASKS, ASKS],
    )
    assert unsolicited(made).tolist() == [True, False, False, False]
