from __future__ import annotations

import msgspec
import numpy as np
import pytest

from mlids.capture.addresses import HOME, Networks, words
from mlids.floods.findings import Finding
from mlids.floods.oneway import ANSWERED
from mlids.floods.records import addresses, joined, record
from mlids.floods.reflection import LARGE, SERVICES, Reflections, ports, reflected

MS = 1_000_000
HOST, OUT = "192.168.1.10", "203.0.113.9"


def rows(count: int, gap: float, src: list[str], dst: str = HOST, **more: object) -> np.ndarray:
    made = np.zeros(count, record())
    made["time"] = (np.arange(count) * gap * MS).astype(np.int64)
    names = [words(text) for text in src]
    made["src_hi"] = [names[n % len(names)][0] for n in range(count)]
    made["src_lo"] = [names[n % len(names)][1] for n in range(count)]
    made["dst_hi"], made["dst_lo"] = words(dst)
    made["key"] = addresses(made["dst_hi"], made["dst_lo"])
    made["flow"] = np.arange(count) % len(names) + 1
    made["sport"], made["dport"], made["size"] = 123, 4000, 468
    for name, value in more.items():
        made[name] = value
    return made


def found(*made: np.ndarray) -> list[Finding]:
    reflections, every = Reflections(Networks(HOME)), joined(*made)
    every = every[np.argsort(every["time"], kind="stable")]
    told = list(reflections.findings(every[: len(every) // 2], 1.0))
    again = Reflections(Networks(HOME))
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(reflections.save())))
    return told + list(again.findings(every[len(every) // 2 :], 1.0))


MANY = [f"198.51.100.{n}" for n in range(1, 41)]


@pytest.mark.parametrize("port", sorted(SERVICES))
def test_each_service(port: int) -> None:
    [first, *_] = found(rows(40, 500, MANY, sport=port))
    assert first.technique == "amplification"
    assert first.extra["service"] == SERVICES[port]


@pytest.mark.parametrize(("count", "told"), [(98, False), (102, True)])
def test_packets_of_few(count: int, told: bool) -> None:
    assert bool(found(rows(count, 20, MANY[:2]))) is told


def test_hosts() -> None:
    assert found(rows(30, 50, MANY[:9])) == []
    assert found(rows(30, 50, MANY[:10])) != []


def test_what_is_not_reflected() -> None:
    assert found(rows(300, 10, MANY, state=ANSWERED)) == []
    assert found(rows(300, 10, MANY, sport=443)) == []
    assert found(rows(300, 10, MANY, size=LARGE - 1)) == []
    assert found(rows(300, 10, [f"192.168.1.{n}" for n in range(20, 60)], sport=1900)) == []


def test_late_answers() -> None:
    def asks(before: int) -> np.ndarray:
        made = rows(40, 20, [HOST], OUT, sport=4000, dport=123, size=40)
        made["flow"] = np.arange(40) + 1
        return made

    answers = rows(40, 20, MANY)
    answers["time"] += 20_000 * MS
    assert found(asks(0), answers) == []
    answers["time"] += 20_000 * MS
    assert found(asks(0), answers) != []


def test_reflector() -> None:
    out = rows(3000, 10, [HOST], OUT)
    back = rows(3000, 10, [OUT], HOST, sport=4000, dport=123, size=8)
    out["state"] = back["state"] = ANSWERED
    told = found(out, back)
    assert {one.technique for one in told} == {"reflector"}
    assert (told[0].ip, told[0].target) == (HOST, OUT)
    back["size"] = 47
    assert found(out, back) == []
    back["size"], out["size"] = 8, 20
    assert found(out, back) == []


def test_reflectors_elsewhere_are_no_business_of_ours() -> None:
    out = rows(3000, 10, ["198.51.100.7"], OUT, state=ANSWERED)
    assert found(out) == []


def test_ports_and_reflected() -> None:
    assert ports()[53]
    assert not ports()[443]
    made = rows(4, 1, MANY)
    made["size"] = [LARGE, LARGE - 1, LARGE, LARGE]
    made["state"] = [0, 0, ANSWERED, 0]
    made["sport"][3] = 443
    assert reflected(made).tolist() == [True, False, False, False]
