from __future__ import annotations

import itertools
import random
from dataclasses import replace

import msgspec
import pytest

from mlids.detectors.silence import Silence
from mlids.formats.syslog import Syslog
from mlids.testing import START_NS, check_detector, cut, heartbeat, lines

NS, MINUTE, HOUR, DAY = 10**9, 60, 3600, 86_400
DAWN = START_NS // NS // DAY * DAY - START_NS // NS + 8 * DAY  # a midnight, seconds after START_NS
LOG = "/var/log/auth.log"


def came(second: float, source: str = LOG, count: int = 1, first: int = 1):
    """Lines as a monitor gives them that has just read them."""
    text = [f"line {n}" for n in range(count)]
    batch = lines(*text, source=source, written=START_NS + int(second * NS))
    return replace(batch, numbers=batch.numbers + first - 1)


def beats(begin: float, end: float, every: float = 20):
    """Heartbeats of a time in which nothing comes."""
    return [heartbeat(START_NS + int(s * NS)) for s in numbers(begin, end, every)]


def numbers(begin: float, end: float, every: float):
    return itertools.takewhile(lambda s: s < end, itertools.count(begin, every))


def busy(begin: float, end: float, every: float = 20, source: str = LOG):
    return [came(s, source) for s in numbers(begin, end, every)]


def told(batches, detector: Silence | None = None, **options):
    detector = detector or Silence(**options)
    return [event for batch in batches for event in detector.inspect(batch)]


def at(event) -> float:
    return (event.time_ns - START_NS) / NS


def test_an_input_that_falls_silent_is_told_once():
    (event,) = told([*busy(0, 2 * HOUR), *beats(2 * HOUR, 9 * HOUR)])
    assert (event.type, event.severity, event.source) == ("Monitoring Gap", "MEDIUM", "system")
    assert event.rule == "silence/silent"
    metadata = event.details["metadata"]
    assert (metadata["input"], metadata["what"]) == (LOG, "silent")
    assert metadata["limit_s"] == 300
    assert 20 <= metadata["usual_s"] < 22
    assert 300 < metadata["amount"] <= 320
    assert at(event) == pytest.approx(2 * HOUR - 20 + metadata["amount"])
    assert metadata["gaps"] == 359
    assert LOG in event.details["description"]
    assert "threshold 300 s" in event.explanation


def test_it_is_noted_when_it_speaks_again():
    silent, again = told(
        [*busy(0, 2 * HOUR), *beats(2 * HOUR, 3 * HOUR), *busy(3 * HOUR, 4 * HOUR)]
    )
    assert (again.severity, again.rule) == ("LOW", "silence/resumed")
    assert again.details["metadata"]["amount"] == HOUR + 20
    assert again.correlation_id == silent.correlation_id
    assert at(again) == 3 * HOUR


def test_evidence_is_the_last_line():
    last = came(2 * HOUR, count=50, first=700)
    (event,) = told([*busy(0, 2 * HOUR), last, *beats(2 * HOUR, 3 * HOUR)])
    assert event.evidence == [{"source": LOG, "line": 749, "offset": int(last.starts[-1])}]


def test_the_edge_of_twice_the_usual():
    edge = 200 * 2 ** (1 / 8)  # the pause is told up to an eighth of an octave too long
    for silence, count in ((2 * 200, 0), (2 * edge + 21, 1)):
        last = 10 * HOUR
        batches = [came(s) for s in range(0, last + 1, 200)]
        # What comes from elsewhere moves time on, too.
        others = [came(s, "other") for s in range(0, last + int(silence), 20)]
        found = told(sorted([*batches, *others], key=lambda one: one.written))
        assert len(found) == count


def test_the_floor():
    batches = [*busy(0, 2 * HOUR, 1), *beats(2 * HOUR, 2 * HOUR + 299, 1)]
    assert told(batches) == []
    assert len(told([*batches, *beats(2 * HOUR + 299, 2 * HOUR + 302, 1)])) == 1
    assert len(told(batches, min_silence_s=60)) == 1


def test_nothing_is_said_before_enough_is_known():
    after = beats(2 * HOUR, 9 * HOUR)
    assert told([*busy(0, 30 * MINUTE), *beats(30 * MINUTE, 9 * HOUR)]) == []  # under an hour
    few = [came(s) for s in range(0, 2 * HOUR, 120)]
    many = beats(0, 2 * HOUR)
    slow = sorted([*few, *many], key=lambda one: one.written)
    assert told([*slow, *after]) == []  # 59 pauses
    assert len(told([*slow, *after], min_gaps=50)) == 1


def test_nights_and_weekends_are_learned():
    rng = random.Random(1)
    batches = []
    for day in range(28):
        midnight = DAWN + day * DAY
        opens, closes = 8 * HOUR + rng.uniform(0, HOUR), 18 * HOUR + rng.uniform(0, HOUR)
        batches += beats(midnight, midnight + DAY, 50)
        if day % 7 < 5:
            batches += busy(midnight + opens, midnight + closes, rng.uniform(30, 45))
    batches.sort(key=lambda one: one.written)
    found = [e for e in told(batches) if e.severity == "MEDIUM"]
    days = [int((at(event) - DAWN) // DAY) for event in found]
    assert days[:2] == [0, 1]  # the first nights
    assert len(days) <= 4  # and the first weekends
    assert max(days) < 14
    friday = DAWN + 25 * DAY + 12 * HOUR
    stopped = [one for one in batches if one.written < START_NS + friday * NS or not len(one)]
    stopped += beats(DAWN + 28 * DAY, DAWN + 32 * DAY, 50)
    (late,) = [e for e in told(stopped) if at(e) > friday]  # one that stops is still found,
    longest_s = 63 * HOUR + 2 * HOUR
    assert at(late) - friday <= 1.5 * longest_s + 100  # if late where weekends are silent


def test_time_in_which_mlids_was_off_is_no_silence():
    before, after = busy(0, 2 * HOUR), busy(9 * HOUR, 9 * HOUR + 200)
    assert told([*before, *after]) == []
    detector = Silence()
    told(before, detector)
    again = Silence()
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(detector.save())))
    assert told(beats(9 * HOUR, 9 * HOUR + 250), again) == []
    assert len(told(beats(9 * HOUR + 250, 9 * HOUR + 400), again)) == 1


def test_a_clock_that_is_set_back_or_lags():
    hour = busy(0, 2 * HOUR)
    back = [*busy(-DAY, -DAY + HOUR), *beats(-DAY + HOUR, -DAY + 2 * HOUR)]
    found = told([*hour, *back])
    assert [at(event) < 0 for event in found] == [True]
    lagging = [heartbeat(START_NS - 500 * NS), heartbeat(0)]
    both = [one for batch in hour for one in (batch, *lagging)]
    assert told([*both, *beats(2 * HOUR, 3 * HOUR)]) == told([*hour, *beats(2 * HOUR, 3 * HOUR)])


def test_which_inputs_are_watched():
    paths = ["/var/log/nginx/access.log", "/var/log/debug.log", "syslog udp://[::1]:514 from ::2"]
    batches = [came(s, path) for s in range(0, 2 * HOUR, 20) for path in paths]
    batches += beats(2 * HOUR, 3 * HOUR)

    def names(**options):
        return [e.details["metadata"]["input"] for e in told(batches, **options)]

    assert names() == paths
    assert names(ignore=["debug.log"]) == [paths[0], paths[2]]
    assert names(inputs=["/var/log/nginx/*"]) == [paths[0]]
    assert names(inputs=["*.log"], ignore=["/var/log/nginx/*"]) == [paths[1]]
    assert names(inputs=["syslog * from ::2"]) == []  # a name with a slash is held whole …
    assert names(inputs=["syslog udp://* from ::2"]) == [paths[2]]  # … by a glob with one


def test_logs_named_after_their_day_are_one_input():
    batches = []
    for day in range(3):
        name = f"/srv/app/app-2025-01-{13 + day}.log"
        batches += busy(day * 2 * HOUR, (day + 1) * 2 * HOUR, source=name)
    assert told([*batches]) == []
    (event,) = told([*batches, *beats(6 * HOUR, 7 * HOUR)])
    assert event.details["metadata"]["input"] == "/srv/app/app-2025-01-15.log"


def test_a_recording_that_ends_is_no_silence():
    make = Silence
    stamps = [f"Jan 13 {h:02d}:{m:02d}:00 gate app[1]: x" for h in (1, 2, 9) for m in range(60)]
    batch = lines(*stamps, format=Syslog(timezone="UTC"), source="old.log")
    assert check_detector(make, batch) == []
    # Many recordings, each written at another time, one after the other and in turns.
    files = [came(n * 30, f"log{n}", count=60) for n in range(200)]
    merged = [
        piece for pieces in zip(*(cut(one, 6) for one in files), strict=True) for piece in pieces
    ]
    assert told(merged) == []
    assert told([*files, *files]) == []


@pytest.mark.parametrize("pieces", [2, 5, 50])
def test_it_does_not_matter_how_arrivals_are_cut(pieces):
    rng, batches, second = random.Random(pieces), [], 0.0
    for _ in range(1500):
        second += rng.choice((0.2, 0.7, 3, 20, 45))
        batches.append(came(second, rng.choice("abc"), count=rng.randrange(1, 9)))
    batches += [came(second + s, "b", 7) for s in range(0, 3 * HOUR, 25)] + busy(
        second + 3 * HOUR, second + 4 * HOUR, source="a"
    )
    whole = told(batches)
    assert {e.severity for e in whole} == {"LOW", "MEDIUM"}
    parts = [piece for one in batches for piece in cut(one, pieces)]
    assert told([one for one in parts if len(one)]) == whole
    restarted, detector = [], Silence()
    for one in batches:
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(detector.save()))
        detector = Silence()
        detector.restore(state)
        restarted += detector.inspect(one)
    assert restarted == whole


def test_new_names_do_not_push_out_the_one_that_fell_silent():
    flood = [came(2 * HOUR + n / 100, f"syslog udp://:514 from 10.0.{n // 250}.{n % 250}")
             for n in range(20_000)]  # fmt: skip
    detector = Silence(max_inputs=1000)
    found = told([*busy(0, 2 * HOUR), *flood, *beats(2 * HOUR + 200, 3 * HOUR)], detector)
    assert [e.details["metadata"]["input"] for e in found] == [LOG]
    assert detector.counts() == {"evicted_inputs": 19_000}
    state = detector.save()
    assert (len(state["learning"]), len(state["learned"])) == (1000, 1)


def test_learned_inputs_are_bounded():
    names = [f"log{n}" for n in range(15)]
    batches = [came(s, name) for s in range(0, 2 * HOUR, 30) for name in names]
    detector = Silence(max_inputs=10)
    assert len(told([*batches, *beats(2 * HOUR, 3 * HOUR)], detector)) <= 10
    assert detector.counts()["evicted_inputs"] > 0


def test_odd_input_never_raises():
    raw = [b"", b"\x00\xff" * 500, b"Jan 99 99:99:99 x", b"a" * 70_000]
    detector = Silence()
    for written in (0, 1, START_NS, 2**62, START_NS):
        batch = replace(lines(*raw, source="\udcff*["), written=written)
        assert list(detector.inspect(batch)) == []
        assert list(detector.inspect(heartbeat(written))) == []
    assert list(detector.inspect(lines())) == []
