from __future__ import annotations

import msgspec
import numpy as np

from mlids.capture.addresses import HOME, Networks, words
from mlids.events import Event
from mlids.floods.findings import Finding, Floods, blamed
from mlids.floods.records import record
from mlids.floods.tally import crowd
from mlids.testing import START_NS

SECOND = 1_000_000_000


def finding(time: float, sources: list[str], count: int = 100, **more: object) -> Finding:
    made = np.zeros(count, record())
    made["time"] = START_NS + int(time * SECOND)
    made["frame"] = np.arange(count) + 1
    made["dst_lo"] = words("192.168.1.10")[1]
    made["src_lo"] = [words(sources[n % len(sources)])[1] for n in range(count)]
    one = crowd(made)
    values = {
        "time_ns": START_NS + int(time * SECOND),
        "technique": "udp-flood",
        "key": one.target,
        "window": one,
        "fresh": one,
        "rate": float(count),
        "observed": "much came",
        "against": "little",
        "protocol": "UDP",
        "target": "192.168.1.10",
        "port": 53,
    }
    return Finding(**{**values, **more})  # type: ignore[arg-type]


def floods() -> Floods:
    return Floods(Networks(HOME), ["test.pcap"])


def follow(found: list[Finding], made: Floods | None = None) -> list[Event]:
    made = made or floods()
    told = [event for one in found for event in made.follow(one)]
    return told + made.flush()


def test_each_second_is_a_trigger() -> None:
    found = [finding(n / 2, ["203.0.113.9"]) for n in range(60)]
    events = follow(found)
    assert [e.details["metadata"]["triggers"] for e in events] == [1, 10, 30]
    assert [e.details["metadata"]["packets"] for e in events] == [100, 1900, 5900]
    assert len({e.correlation_id for e in events}) == 1
    assert events[0].evidence[0] == {"source": "test.pcap", "frame": 100}


def test_a_pause_begins_another() -> None:
    events = follow([finding(0, ["203.0.113.9"]), finding(61, ["203.0.113.9"])])
    assert len({e.correlation_id for e in events}) == 2
    assert [e.details["metadata"]["packets"] for e in events] == [100, 100]


def test_began() -> None:
    made = floods()
    first, second, later = (finding(time, ["203.0.113.9"]) for time in (0, 30, 200))
    assert made.began(first) == first.time_ns
    follow([first, second], made)
    assert made.began(finding(60, ["203.0.113.9"])) == first.time_ns
    assert made.began(later) == later.time_ns
    assert made.began(finding(60, ["203.0.113.9"], key=(1, 2))) == START_NS + 60 * SECOND


def test_who_is_blamed() -> None:
    one = finding(0, ["203.0.113.9"])
    assert blamed(one.window.sources, 100) == ["203.0.113.9"]
    two = finding(0, ["203.0.113.9"] * 3 + ["203.0.113.8"])
    assert blamed(two.window.sources, 100) == ["203.0.113.9", "203.0.113.8"]
    assert blamed(finding(0, [f"203.0.113.{n}" for n in range(9)]).window.sources, 100) == []


def test_details() -> None:
    [event] = follow([finding(0, [f"203.0.113.{n}" for n in range(100)], extra={"flows": 7})])
    assert event.details["ip"] == ""
    metadata = event.details["metadata"]
    assert metadata["spoofed"] is True
    assert metadata["flows"] == 7
    assert 60 < metadata["sources"] < 160
    assert "much came" in event.explanation
    assert "little" in event.explanation
    [event] = follow([finding(0, ["203.0.113.9"], ip="", port=0)])
    assert event.details["ip"] == ""
    assert "port" not in event.details
    [event] = follow([finding(0, ["203.0.113.8"], ip="203.0.113.9")])
    assert event.details["ip"] == "203.0.113.9"


def test_restart() -> None:
    found = [finding(n / 10, ["203.0.113.9"]) for n in range(100)]
    made = floods()
    told = [event for one in found[:50] for event in made.follow(one)]
    again = floods()
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(made.save())))
    told += follow(found[50:], again)
    assert [e.encoded() for e in told] == [e.encoded() for e in follow(found)]


def test_close_tells_what_was_held_back() -> None:
    made = floods()
    for n in range(5):
        list(made.follow(finding(n, ["203.0.113.9"])))
    assert made.close(START_NS + 30 * SECOND) == []
    [rest] = made.close(START_NS + 90 * SECOND)
    assert rest.details["suppressed"] == 3
    assert made.evicted == 0
