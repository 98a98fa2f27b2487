import threading
from dataclasses import replace

import numpy as np
import pytest

from mlids.batches import ChangeBatch, Detector, LineBatch, LogFormat, Monitor, PacketBatch
from mlids.capture.crafting import Frame, ethernet, ipv4, tcp
from mlids.errors import MLIDSError
from mlids.testing import START_NS, changes, lines, packets


class Words(LogFormat):
    """Counts how often it is asked to parse."""

    def __init__(self):
        super().__init__()
        self.parsed = 0

    def parse(self, batch):
        self.parsed += 1
        return {"message": [batch.line(row) for row in range(len(batch))]}


def test_lines_are_taken_without_copying_and_parsed_once():
    known = Words()
    batch = lines("one", "two", "three", format=known)
    narrow = batch.take(np.array([2, 0]))
    assert narrow.data is batch.data
    assert [narrow.line(0), narrow.line(1)] == [b"three", b"one"]
    assert narrow.column("message") == [b"three", b"one"]
    assert narrow.column("message") == [b"three", b"one"]
    assert known.parsed == 1
    with pytest.raises(KeyError):
        narrow.column("no such column")


def test_stamps_tell_the_time_of_lines_that_tell_none():
    class Timed(LogFormat):
        def parse(self, batch):
            times = [int(batch.line(row)) for row in range(len(batch))]
            return {"time": np.array(times), "message": [b"x"] * len(batch)}

    starts, ends = np.array([0, 2, 4]), np.array([1, 3, 5])
    plain = LineBatch(b"0\n7\n0\n", starts, ends, starts + 1, "log", format=Timed())
    assert plain.column("time").tolist() == [0, 7, 0]
    stamped = replace(plain, stamps=np.array([4, 5, 6]), memo={})
    assert stamped.column("time").tolist() == [4, 7, 6]
    assert stamped.take(np.array([2, 0])).column("time").tolist() == [6, 4]
    assert stamped.column("message") == [b"x"] * 3
    assert plain.take(np.array([1])).stamps is None


def test_a_column_without_a_format_is_a_key_error():
    with pytest.raises(KeyError, match="no log format"):
        lines("one").column("time")


def test_evidence_of_a_line_counts_lines_from_1_and_bytes_from_0():
    batch = lines("one", "two", source="a.log")
    assert batch.evidence(1) == {"source": "a.log", "line": 2, "offset": 4}
    assert batch.take(np.array([1])).evidence(0) == batch.evidence(1)


def test_packets_are_taken_with_all_their_columns():
    frames = [
        Frame(
            START_NS + n,
            ethernet(ipv4("192.0.2.1", "192.0.2.2", 6, tcp(n, 80, payload=b"p%d" % n))),
        )
        for n in range(5)
    ]
    batch = packets(frames)
    assert len(batch) == 5
    narrow = batch.take(np.array([False, True, False, True, False]))
    assert narrow.sport.tolist() == [1, 3]
    assert [narrow.payload(0), narrow.payload(1)] == [b"p1", b"p3"]
    assert narrow.evidence(1)["frame"] == 4
    for name in PacketBatch.columns():
        assert len(getattr(narrow, name)) == 2, name


def test_changes_have_a_length():
    assert len(changes()) == 0
    assert isinstance(changes(), ChangeBatch)


def test_the_kind_of_a_detector_follows_from_its_type():
    class OfLines(Detector[LineBatch]):
        pass

    class OfPackets(Detector[PacketBatch]):
        pass

    class Child(OfLines):
        pass

    assert OfLines.kind is LineBatch
    assert OfPackets.kind is PacketBatch
    assert Child.kind is LineBatch


def test_a_monitor_has_quiet_defaults(caplog):
    monitor = Monitor()
    monitor.open()
    monitor.close()
    monitor.delivered()
    monitor.exclude([])
    assert monitor.inputs() == []
    monitor.tell(MLIDSError("E101", "eth0 is gone"))
    with pytest.raises(NotImplementedError):
        next(iter(monitor.batches(threading.Event())))
