"""What authors of plugins test with: builders of input, and checks of the laws.

::

    check_detector(lambda: PortScan(), packets(...))
    check_correlator(lambda: Threshold(rules=[...]), [event(...), ...])
    check_sink(lambda: MySink(url))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from mlids.batches import (
    Batch,
    ChangeBatch,
    Detector,
    FileChange,
    LineBatch,
    LogFormat,
    PacketBatch,
)
from mlids.capture.crafting import Frame
from mlids.events import Correlator, Event, EventSink
from mlids.volume import NS

START_NS = 1_736_764_245 * NS  # 2025-01-13T10:30:45Z, when the examples happen


def event(type: str = "Failed Login", severity: str = "MEDIUM", **keys: Any) -> Event:
    """A complete event; keyword arguments replace its keys, `seconds` moves it after START_NS."""
    seconds = keys.pop("seconds", 0)
    made = Event.new(
        type,
        severity,
        keys.pop("source", "application"),
        keys.pop("details", {"ip": "192.0.2.7", "user": "admin", "description": "a test"}),
        time_ns=START_NS + int(seconds * NS),
        rule=keys.pop("rule", "login/sshd"),
        **{name: keys.pop(name) for name in ("tags", "correlation_id") if name in keys},
    )
    return made.replace(**keys) if keys else made


def lines(
    *text: str | bytes, format: LogFormat | None = None, source: str = "test.log", written: int = 0
) -> LineBatch:
    """A batch of log lines. written: ns by which they were written (default: START_NS)."""
    encoded = [line.encode() if isinstance(line, str) else line for line in text]
    data = b"".join(line + b"\n" for line in encoded)
    lengths = np.array([len(line) for line in encoded], dtype=np.int64)
    starts = np.concatenate(([0], np.cumsum(lengths + 1)))[:-1].astype(np.int64)
    return LineBatch(
        data=data,
        starts=starts,
        ends=starts + lengths,
        numbers=np.arange(1, len(encoded) + 1, dtype=np.int64),
        source=source,
        written=written or START_NS,
        format=format,
    )


def heartbeat(now: int, source: str = "logs") -> LineBatch:
    """An empty batch of lines, as monitors give them where nothing comes; now: ns since 1970."""
    none = np.empty(0, dtype=np.int64)
    return LineBatch(b"", none, none, none, source=source, now=now, written=now)


def packets(
    frames: Iterable[Frame | bytes], kind: int = 1, source: str = "test.pcap"
) -> PacketBatch:
    """A batch of frames (see `mlids.capture.crafting`), sorted by time; plain bytes are 1 ms apart.

    kind: their link type, as in captures (1: Ethernet).
    """
    from mlids.capture.packets import decode, padded

    made = [
        frame if isinstance(frame, Frame) else Frame(START_NS + n * 1_000_000, frame)
        for n, frame in enumerate(frames)
    ]
    made.sort(key=lambda frame: frame.time_ns)
    captured = np.array([len(frame.data) for frame in made], dtype=np.int64)
    return decode(
        padded(b"".join(frame.data for frame in made)),
        np.cumsum(captured) - captured,
        captured,
        np.array([frame.length or len(frame.data) for frame in made], dtype=np.int64),
        time=np.array([frame.time_ns for frame in made], dtype=np.int64),
        frame=np.arange(1, len(made) + 1, dtype=np.int64),
        kinds=kind,
        source=source,
        now=made[-1].time_ns if made else START_NS,
    )


def changes(*made: FileChange, now: int = 0) -> ChangeBatch:
    """A batch of file changes."""
    return ChangeBatch(made, now or max((change.time_ns for change in made), default=START_NS))


def cut(batch: Batch, pieces: int) -> list[Batch]:
    """The same input in as many batches; each `now` is what was known by then."""
    bounds = [len(batch) * n // pieces for n in range(pieces + 1)]
    parts = [_part(batch, a, b) for a, b in pairwise(bounds)]
    return [*parts[:-1], replace(parts[-1], now=batch.now)]


def _part(batch: Batch, begin: int, end: int) -> Batch:
    if isinstance(batch, ChangeBatch):
        seen = batch.changes[begin:end]
        return ChangeBatch(seen, seen[-1].time_ns if seen else 0, batch.source)
    part = batch.take(np.arange(begin, end))
    if isinstance(part, LineBatch):
        return part
    return replace(part, now=int(part.time[-1]) if len(part) else 0)


def run(detector: Detector[Any], batches: Iterable[Batch]) -> list[Event]:
    """What a detector says about these batches, the rest at the end included."""
    said = [event for batch in batches for event in detector.inspect(batch)]
    return said + list(detector.flush())


def check_detector(
    make: Callable[[], Detector[Any]],
    batch: Batch,
    pieces: Sequence[int] = (1, 2, 3, 7, 50),
    restart: bool = True,
) -> list[Event]:
    """Hold a detector to the law and return what it said about the whole batch.

    The input is replayed in several cuts, and once more with the state saved and restored into a
    fresh detector between any two of them. Raises AssertionError where the events differ.
    """
    whole = run(make(), [batch])
    for count in pieces:
        _same(whole, run(make(), cut(batch, count)), f"cut into {count}")
    if restart:
        _same(whole, _with_restarts(make, cut(batch, 4)), "restarted three times")
    return whole


def check_correlator(
    make: Callable[[], Correlator],
    events: Sequence[Event],
    pieces: Sequence[int] = (1, 2, 3, 7, 50),
) -> list[Event]:
    """Hold a correlator to the law and return what it said about these events.

    They are given in several cuts, and once more with the state saved and restored into a fresh
    correlator between any two of them. Raises AssertionError where the further events differ.
    """
    stamped = [one.stamped() for one in events]
    whole = _correlated(make, [stamped])
    for count in pieces:
        bounds = [len(stamped) * n // count for n in range(count + 1)]
        cuts = [stamped[a:b] for a, b in pairwise(bounds)]
        _same(whole, _correlated(make, cuts), f"cut into {count}")
        _same(whole, _correlated(make, cuts, restart=True), f"cut into {count}, restarted")
    return whole


def _correlated(
    make: Callable[[], Correlator], cuts: Sequence[Sequence[Event]], restart: bool = False
) -> list[Event]:
    import msgspec

    correlator, said = make(), []
    for events in cuts:
        if restart:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(correlator.save()))
            correlator = make()
            correlator.restore(state)
        said += list(correlator.correlate(events))
    return said + list(correlator.flush())


def _with_restarts(make: Callable[[], Detector[Any]], batches: Sequence[Batch]) -> list[Event]:
    import msgspec

    detector, said = make(), []
    for batch in batches:
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(detector.save()))
        detector = make()
        detector.restore(state)
        said += list(detector.inspect(batch))
    return said + list(detector.flush())


def _same(expected: list[Event], found: list[Event], how: str) -> None:
    a, b = (sorted(event.encoded() for event in events) for events in (expected, found))
    missing, extra = [e for e in a if e not in b], [e for e in b if e not in a]
    assert a == b, f"{how}: missing {missing[:3]}, extra {extra[:3]}"


def check_sink(make: Callable[[], EventSink], received: Callable[[], Sequence[Any]]) -> None:
    """Hold a sink to its contract: opens, takes events and batches in order, closes twice."""
    sink = make()
    sink.open()
    sent = [event(seconds=n) for n in range(5)]
    sink.send_event(sent[0])
    sink.send_batch(sent[1:])
    sink.close()
    sink.close()
    assert len(received()) == len(sent), f"sent {len(sent)}, arrived {len(received())}"
