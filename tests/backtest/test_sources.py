import gzip
import os

import pytest

from mlids.backtest.sources import Sources, all_logins
from mlids.testing import event

MUCH = 1 << 20
LINES = [f"line {n} of 192.0.2.{n}" for n in range(50)]


def told(path, n, **place):
    """An event that the n-th line led to."""
    offset = len("".join(f"{line}\n" for line in LINES[:n]))
    evidence = [{"source": str(path), "line": n + 1, "offset": offset, **place}]
    return event(details={"ip": f"192.0.2.{n}"}, evidence=evidence)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "auth.log"
    path.write_text("".join(f"{line}\n" for line in LINES))
    return path


def readable(*events, lines=True, recordings=False, since_ns=0, most_bytes=MUCH):
    sources = Sources()
    for one in events:
        sources.add(one)
    return sources.readable(lines, recordings, since_ns, most_bytes)


def test_a_log_whose_lines_still_stand_there_is_read_again(log):
    found = readable(told(log, 3), told(log, 40))
    assert found.files == {str(log): [str(log)]} and found.bytes == log.stat().st_size


def test_a_log_that_was_written_anew_is_not(log):
    log.write_text("something else\n" * 100)
    found = readable(told(log, 3))
    assert not found.files and "not there any more" in found.refused[str(log)]


def test_a_log_of_which_the_last_line_is_gone_is_not(log):
    events = [told(log, 3), told(log, 40)]
    os.truncate(log, 200)
    assert not readable(*events).files


def test_lines_are_found_in_what_the_log_was_rotated_to(log):
    events = [told(log, 3), told(log, 40)]
    packed = log.with_name("auth.log.1.gz")
    packed.write_bytes(gzip.compress(log.read_bytes()))
    log.write_text("new\n")
    assert readable(*events).files == {str(log): [str(packed), str(log)]}
    packed.write_bytes(packed.read_bytes()[:30])
    assert not readable(*events).files


def test_rotated_files_from_before_the_period_are_left_out(log):
    old = log.with_name("auth.log.1")
    old.write_text("old\n")
    os.utime(old, (1, 1))
    assert readable(told(log, 3), since_ns=10**10).files[str(log)] == [str(log)]


def test_only_the_kinds_that_are_wanted_are_read(log):
    assert not readable(told(log, 3), lines=False, recordings=True).files
    recording = event(evidence=[{"source": str(log), "frame": 1}])
    assert readable(recording, lines=False, recordings=True).files


def test_what_is_too_large_is_refused_and_said(log):
    found = readable(told(log, 3), most_bytes=10)
    assert not found.files and "10 bytes" in found.refused[str(log)]


@pytest.mark.parametrize("name", ["-", "eth0", "/", "/dev/zero", "\0", "x" * 900, "journal"])
def test_what_is_no_file_is_refused(name):
    found = readable(told(name, 0))
    assert not found.files and set(found.refused) == {name}


def test_the_number_of_sources_is_bounded():
    sources = Sources(most=3)
    for n in range(10):
        sources.add(told(f"log{n}", 0))
    assert len(sources.known) == 3 and sources.left_out == 7


def test_events_without_a_place_have_no_source():
    assert not readable(event(evidence=[]), event(evidence=[{"path": "/etc/passwd"}])).refused


def test_logins_of_every_source_are_wanted(log):
    sources = Sources()
    sources.add(told(log, 3))
    assert not all_logins(sources.known.values(), {})
    assert all_logins(sources.known.values(), {str(log): [str(log)]})
    assert not all_logins([], {})
