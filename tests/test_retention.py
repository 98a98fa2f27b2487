import os

import pytest

from mlids import segments
from mlids.retention import DAY_S, NAMES, Policy, Retention
from mlids.store import EventStore
from mlids.testing import event

NOW = 1_800_000_000.0


@pytest.fixture
def store(tmp_path):
    made = EventStore(tmp_path / "logs")
    made.open()
    yield made
    made.close()


def segment(folder, name, age_days, *severities, ending=""):
    path = folder / f"mlids-{name}-1.jsonl{ending}"
    with segments.rewritten(path, folder) as file:
        for n, severity in enumerate(severities):
            file.write(event(severity=severity, seconds=n).encoded() + b"\n")
    moment = NOW - age_days * DAY_S
    os.utime(path, (moment, moment))
    return path


def applied(store, policy):
    retention = Retention(store.folder, policy, store.sealer)
    steps = list(retention.due(NOW))
    for step in steps:
        retention.carry_out(step)
    return [(step.path.name[6:14], step.keep) for step in steps]


def test_only_segments_older_than_the_days_are_removed(store):
    segment(store.folder, "20240101T000000Z", 91, "LOW")
    kept = segment(store.folder, "20240102T000000Z", 89, "LOW")
    os.utime(store.folder / segments.OPEN, (1, 1))
    assert applied(store, Policy()) == []
    assert applied(store, Policy(days=90)) == [("20240101", ())]
    assert segments.files(store.folder) == [kept, store.folder / segments.OPEN]
    assert applied(store, Policy(days=90)) == []


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_severities_have_days_of_their_own(store, ending):
    path = segment(store.folder, "20240101T000000Z", 40, "LOW", "HIGH", "MEDIUM", ending=ending)
    before = path.stat()
    policy = Policy(days=30, by_severity={"HIGH": 365, "CRITICAL": 0})
    assert applied(store, policy) == [("20240101", ("HIGH", "CRITICAL"))]
    (left,) = segments.lines(path)
    assert b'"HIGH"' in left
    assert path.stat().st_mtime == before.st_mtime  # its age counts on
    assert applied(store, policy) == []
    moment = NOW - 366 * DAY_S
    os.utime(path, (moment, moment))
    assert applied(store, policy) == [("20240101", ("CRITICAL",))]
    assert list(segments.lines(path)) == []


def test_the_oldest_go_where_all_are_too_large(store):
    paths = [
        segment(store.folder, f"2024010{n}T000000Z", 10 - n, *["LOW"] * 20) for n in range(1, 5)
    ]
    size = paths[0].stat().st_size
    assert applied(store, Policy(max_bytes=4 * size)) == []
    assert applied(store, Policy(max_bytes=4 * size - 1)) == [("20240101", ())]
    assert applied(store, Policy(max_bytes=2 * size)) == [("20240102", ())]


def test_a_line_that_is_no_event_is_kept_longest(store):
    path = store.folder / "mlids-20240101T000000Z-1.jsonl"
    path.write_bytes(b"garbage \xff\n" + event(severity="LOW").encoded() + b"\n{}\n")
    os.utime(path, (NOW - 40 * DAY_S, NOW - 40 * DAY_S))
    applied(store, Policy(days=30, by_severity={"CRITICAL": 0}))
    assert list(segments.lines(path)) == [b"garbage \xff\n", b"{}\n"]


def test_what_is_not_entered_is_not_done(store, monkeypatch):
    path = segment(store.folder, "20240101T000000Z", 91, "LOW", "HIGH")
    content = path.read_bytes()

    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.sealer, "record", full)
    for policy in (Policy(days=90), Policy(by_severity={"LOW": 30})):
        with pytest.raises(OSError, match="No space"):
            applied(store, policy)
        assert path.read_bytes() == content
    assert not list(store.folder.glob(".*partial"))


def test_a_policy_keeps_everything_by_default():
    assert Policy().keep(1e12) == NAMES
    assert Policy(days=1).keep(DAY_S - 1) == NAMES
    assert Policy(days=1).keep(DAY_S) == ()


def test_a_step_is_entered_when_its_content_is_on_the_disk(store, monkeypatch):
    path = segment(store.folder, "20240101T000000Z", 91, "LOW", "HIGH")

    def full(handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(segments.os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            applied(store, Policy(by_severity={"LOW": 30}))
    assert store.sealer.seals.thinned == {}
    assert len(list(segments.lines(path))) == 2


def test_a_step_that_a_crash_kept_from_being_done_is_done(store):
    policy = Policy(by_severity={"LOW": 30})
    path = segment(store.folder, "20240101T000000Z", 91, "LOW", "HIGH")
    whole = path.read_bytes()
    assert len(applied(store, policy)) == 1
    path.write_bytes(whole)
    moment = NOW - 91 * DAY_S
    os.utime(path, (moment, moment))
    assert len(applied(store, policy)) == 1
    assert len(list(segments.lines(path))) == 1
    assert applied(store, policy) == []


def test_a_clock_that_was_behind_makes_nothing_older_than_what_came_before(store):
    segment(store.folder, "20240101T000000Z", 10, "LOW")
    segment(store.folder, "20240102T000000Z", NOW / DAY_S, "LOW")  # of 1970
    segment(store.folder, "20240103T000000Z", -1000, "LOW")  # of the future
    segment(store.folder, "20240104T000000Z", 9, "LOW")
    assert applied(store, Policy(days=30)) == []
    assert len(applied(store, Policy(days=10))) == 2
