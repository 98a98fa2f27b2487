from __future__ import annotations

import msgspec
import numpy as np

from mlids.capture.addresses import words
from mlids.floods.associations import SPAN_NS, Associations
from mlids.floods.records import addresses, record
from mlids.floods.tally import Crowd, crowd
from mlids.testing import START_NS

SECOND = 1_000_000_000


def rows(src: str, dst: str, times: list[float]) -> np.ndarray:
    made = np.zeros(len(times), record())
    made["time"] = [START_NS + int(time * SECOND) for time in times]
    made["src_hi"], made["src_lo"] = words(src)
    made["dst_hi"], made["dst_lo"] = words(dst)
    made["key"] = addresses(made["dst_hi"], made["dst_lo"])
    return made


def sent(time: float, src: str = "203.0.113.9", dst: str = "192.168.1.10") -> Crowd:
    return crowd(rows(src, dst, [time]))


def test_a_connection_in_either_direction() -> None:
    for src, dst in (("203.0.113.9", "192.168.1.10"), ("192.168.1.10", "203.0.113.9")):
        known = Associations()
        known.note(rows(src, dst, [0]))
        assert known.any(sent(1))
        assert not known.any(sent(1, "203.0.113.8"))
        assert not known.any(sent(1, dst="192.168.1.11"))


def test_it_counts_from_its_begin_for_ten_minutes() -> None:
    known = Associations()
    known.note(rows("203.0.113.9", "192.168.1.10", [10, 20]))
    assert not known.any(sent(9))
    assert known.any(sent(10))
    assert known.any(sent(20 + SPAN_NS / SECOND))
    assert not known.any(sent(21 + SPAN_NS / SECOND))
    known.note(rows("203.0.113.9", "192.168.1.10", [2000]))
    assert not known.any(sent(1999))
    assert known.any(sent(2001))


def test_how_they_are_noted_does_not_matter() -> None:
    times = [float(n) for n in range(0, 5000, 300)]
    whole, parts = Associations(), Associations()
    whole.note(rows("203.0.113.9", "192.168.1.10", times))
    for time in times:
        parts.note(rows("203.0.113.9", "192.168.1.10", [time]))
    for time in (0, 2500, 5300, 5500):
        assert whole.any(sent(time)) == parts.any(sent(time))


def test_only_those_who_sent_much_count() -> None:
    known = Associations()
    known.note(rows("203.0.113.9", "192.168.1.10", [0]))
    many = np.concatenate(
        [rows(f"198.51.100.{n}", "192.168.1.10", [1]) for n in range(1, 20)]
        + [rows("203.0.113.9", "192.168.1.10", [1])]
    )
    assert not known.any(crowd(many))


def test_restart_and_nothing() -> None:
    known, again = Associations(), Associations()
    known.note(rows("203.0.113.9", "192.168.1.10", []))
    known.note(rows("203.0.113.9", "192.168.1.10", [0]))
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(known.save())))
    assert again.any(sent(1))
