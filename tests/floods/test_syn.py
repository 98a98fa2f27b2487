from __future__ import annotations

import numpy as np
import pytest

from mlids.floods.findings import Finding
from mlids.floods.handshakes import COMPLETED, REFUSED
from mlids.floods.records import record
from mlids.floods.syn import SynFloods, is_scan
from mlids.floods.tally import crowd

MS = 1_000_000


def syns(count: int, sources: int = 1, ports: int = 1, gap: float = 2) -> np.ndarray:
    made = np.zeros(count, record())
    numbers = np.arange(count)
    made["time"], made["key"] = (numbers * gap * MS).astype(np.int64), 9
    made["src_lo"] = 0xFFFF_0000_0000 | (numbers % sources)
    made["dport"] = 1 + numbers // sources % ports
    made["flow"] = numbers
    made["dst_lo"] = 0xFFFF_C0A8_0001
    return made


def found(made: np.ndarray, rate: float = 200, share: float = 1.0) -> list[Finding]:
    return list(SynFloods(rate).findings(made, share))


def test_flood() -> None:
    [first, *_] = found(syns(1000))
    assert first.technique == "syn-flood"
    assert first.target == "192.168.0.1"
    assert first.extra == {"half_open": 200, "completed": 0, "refused": 0}


@pytest.mark.parametrize(("every", "told"), [(5, True), (4, False)])
def test_ratio_of_completed(every: int, told: bool) -> None:
    made = syns(1000)
    made["state"][::every] = COMPLETED
    assert bool(found(made)) is told


@pytest.mark.parametrize(("half_open", "told"), [(49, False), (50, True)])
def test_half_open(half_open: int, told: bool) -> None:
    made = syns(200)
    made["state"][half_open:] = REFUSED
    assert bool(found(made)) is told


def test_ratio_looks_back_five_seconds() -> None:
    made = np.concatenate((syns(1000), syns(210)))
    made["state"][:1000] = COMPLETED
    made["time"][1000:] += 2000 * MS
    assert found(made) == []
    made["time"][1000:] += 6000 * MS
    assert found(made) != []


@pytest.mark.parametrize(
    ("sources", "ports", "scan"),
    [
        (1, 1, False),
        (1, 19, False),
        (1, 400, True),
        (8, 50, True),
        (400, 1, False),
        (100, 50, False),
    ],
)
def test_scans(sources: int, ports: int, scan: bool) -> None:
    made = syns(400, sources, ports)
    assert is_scan(crowd(made)) is scan
    assert bool(found(made)) is not scan


def test_share() -> None:
    assert found(syns(400, gap=10)) == []
    assert found(syns(400, gap=10), share=0.5)[0].rate == 200.0
