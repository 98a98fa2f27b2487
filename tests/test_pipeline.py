import threading
import time

import msgspec
import pytest

from mlids.batches import Detector, LineBatch, Monitor
from mlids.errors import MLIDSError
from mlids.logger import EventLogger
from mlids.pipeline import Lane
from mlids.testing import event, lines


class Settings(msgspec.Struct):
    pass


class Feed(Monitor):
    """Yields one line a batch, fails where told to, and notes what is asked of it."""

    kind = LineBatch

    def __init__(self, steps):
        super().__init__()
        self.steps = list(steps)
        self.calls = []

    def open(self):
        self.calls.append("open")

    def close(self):
        self.calls.append("close")

    def delivered(self):
        self.calls.append("delivered")

    def batches(self, stop):
        while self.steps:
            step = self.steps.pop(0)
            if isinstance(step, Exception):
                raise step
            yield lines(step)


class Echo(Detector[LineBatch]):
    """One event a line; keeps count, so that a restart shows."""

    def __init__(self):
        super().__init__()
        self.seen = 0

    def inspect(self, batch):
        for row in range(len(batch)):
            self.seen += 1
            yield event(details={"line": batch.line(row).decode(), "seen": self.seen})

    def flush(self):
        yield event(type="Rest")

    def save(self):
        return {"seen": self.seen}

    def restore(self, state):
        self.seen = state["seen"]


class Broken(Detector[LineBatch]):
    def inspect(self, batch):
        yield event(type="Before")
        raise RuntimeError("broken")


@pytest.fixture
def logger(tmp_path):
    made = EventLogger(tmp_path / "logs")
    yield made
    made.close()


def run(logger, steps, detectors, **options):
    lane = Lane(Feed(steps), detectors, logger, **options)
    lane.start()
    assert lane.join(10)
    logger.flush()
    return lane


def types(logger):
    return [e.type for e in logger.archive.search()]


def test_batches_become_events(logger):
    run(logger, ["a", "b"], {"echo": Echo()})
    assert [e.details.get("line") for e in logger.archive.search()] == ["a", "b", None]


def test_the_checkpoint_moves_once_what_was_found_is_stored(logger):
    lane = run(logger, ["a"], {"echo": Echo()})
    assert lane.monitor.calls[-2:] == ["delivered", "close"]


def test_a_monitor_that_fails_is_opened_again_and_told_once(logger, monkeypatch):
    monkeypatch.setattr("mlids.pipeline.LONGEST_PAUSE_S", 0.01)
    told = []
    lane = Lane(
        Feed(["a", OSError("gone"), OSError("gone"), "b"]),
        {"echo": Echo()},
        logger,
        tell=told.append,
    )
    lane._stop.wait = lambda pause: threading.Event().wait(0.01) or False
    lane.start()
    assert lane.join(10)
    logger.flush()
    assert [e.details.get("line") for e in logger.archive.search()] == ["a", "b", None]
    assert [error.code for error in told] == ["E103"]
    assert lane.monitor.calls.count("open") == 2


def test_a_detector_that_fails_is_told_once_and_the_others_go_on(logger):
    told = []
    run(logger, ["a", "b"], {"broken": Broken(), "echo": Echo()}, tell=told.append)
    assert types(logger).count("Failed Login") == 2
    assert types(logger).count("Before") == 2
    assert [error.code for error in told] == ["E107"]
    assert logger.metrics.get("failures{plugin=broken}") == 2


def test_windows_survive_a_restart(logger, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    run(logger, ["a", "b"], {"echo": Echo()}, state=state)
    run(logger, ["c"], {"echo": Echo()}, state=state)
    assert [e.details["seen"] for e in logger.archive.search() if "seen" in e.details] == [1, 2, 3]


@pytest.mark.parametrize("garbage", [b"", b"\xc1garbage", msgspec.msgpack.encode([1]), b"\x80"])
def test_an_unreadable_state_means_a_fresh_start(logger, tmp_path, garbage):
    (tmp_path / "test_pipeline-echo.msgpack").write_bytes(garbage)
    lane = run(logger, ["a"], {"echo": Echo()}, state=tmp_path)
    assert lane.detectors["echo"].seen == 1


def test_stop_ends_a_lane_that_waits(logger):
    class Endless(Feed):
        def batches(self, stop):
            while not stop.wait(0.01):
                yield lines()

    lane = Lane(Endless([]), {"echo": Echo()}, logger)
    lane.start()
    began = time.monotonic()
    lane.stop()
    assert lane.join(2)
    assert time.monotonic() - began < 1
    logger.flush()
    assert types(logger) == ["Rest"]


def test_a_known_error_is_told_as_it_is(logger, monkeypatch):
    told = []
    lane = Lane(Feed([MLIDSError("E101", "eth9 is gone")]), {}, logger, tell=told.append)
    lane._stop.wait = lambda pause: True
    lane.start()
    lane.stop()
    assert lane.join(5)
    assert [str(error) for error in told] == ["E101: eth9 is gone"]


def test_a_disk_that_takes_nothing_neither_stalls_the_input_nor_moves_its_checkpoint(
    tmp_path, monkeypatch
):
    def full(records):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlids.pipeline.STORED_S", 0.1)
    monkeypatch.setattr("mlids.pipeline.KEEP_EVERY_S", 0)
    logger = EventLogger(tmp_path / "logs", tell=lambda error: None)
    logger.open()
    writer = logger.store._writer
    taking, writer.write = writer.write, full
    feed = Feed([b"a"] * 50)
    lane = Lane(feed, {"echo": Echo()}, logger)
    began = time.monotonic()
    lane.start()
    assert lane.join(10)
    assert time.monotonic() - began < 1  # and not 0.1 s a batch
    assert "delivered" not in feed.calls
    writer.write = taking
    assert logger.flush(10)
    assert len(list(logger.archive.search())) == 51
    logger.close()


def test_a_checkpoint_that_cannot_be_written_is_no_failure_of_the_input(tmp_path):
    class Full(Feed):
        def delivered(self):
            raise OSError(28, "No space left on device")

    told = []
    logger = EventLogger(tmp_path / "logs")
    lane = Lane(Full([b"a", b"b"]), {"echo": Echo()}, logger, tell=told.append)
    lane.start()
    assert lane.join(10)
    assert told == []
    assert len(list(logger.archive.search())) == 3
    logger.close()


def test_windows_are_saved_though_their_folder_was_removed(tmp_path):
    logger = EventLogger(tmp_path / "logs")
    lane = Lane(Feed([b"a"]), {"echo": Echo()}, logger, tmp_path / "gone" / "state")
    lane.start()
    assert lane.join(10)
    assert len(list((tmp_path / "gone" / "state").iterdir())) == 1
    logger.close()


def test_single_signs_come_before_what_they_add_up_to(logger):
    class Sums(Detector[LineBatch]):
        def inspect(self, batch):
            yield event(type="Sum", severity="HIGH")

    class Signs(Detector[LineBatch]):
        def inspect(self, batch):
            yield event(type="Later", seconds=1)
            yield event(type="Sign")

    run(logger, ["a"], {"a": Sums(), "b": Signs()})
    assert types(logger) == ["Sign", "Sum", "Later"]
