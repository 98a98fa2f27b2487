from __future__ import annotations

import json

import pytest

from mlids.cloudwatch import manifest
from mlids.cloudwatch.forms import FORMS
from mlids.cloudwatch.manifest import About, Gap, Manifest, Stretch, merged
from mlids.cloudwatch.names import file_name

ABOUT = About("/g", "s", "us-east-1", "text", None, 5)


def stretch(start: int, end: int, events: int = 1, read_at: int = 1000, size: int = 0) -> Stretch:
    first, last = (start, end - 1) if events else (None, None)
    return Stretch(start, end, events, first, last, 2, 3, read_at, size, f"digest {end}")


def test_it_is_read_as_it_was_written(tmp_path):
    made = Manifest(ABOUT, "x.log", windows=[stretch(0, 5)], gaps=[Gap(5, 6, "why")])
    made.write(tmp_path / "x.log.manifest")
    assert manifest.read(tmp_path / "x.log.manifest") == made
    shown = json.loads((tmp_path / "x.log.manifest").read_text())
    assert shown["about"]["logStreamName"] == "s"
    assert shown["windows"][0]["readAt"] == 1000


@pytest.mark.parametrize("content", ["", "{", "[]", '{"about": {}}', '{"version": 2}', "\xff"])
def test_what_makes_no_sense_is_none(tmp_path, content):
    (tmp_path / "m").write_text(content, encoding="latin-1")
    assert manifest.read(tmp_path / "m") is None
    assert manifest.read(tmp_path / "absent") is None


def test_another_version_is_none(tmp_path):
    Manifest(ABOUT, version=2).write(tmp_path / "m")
    assert manifest.read(tmp_path / "m") is None


def test_the_sums_follow_from_the_windows():
    made = Manifest(ABOUT, windows=[stretch(0, 5, 3), stretch(5, 9, 0), stretch(9, 12, 4)])
    made.sum_up(late_ms=900)
    assert (made.total_events, made.duplicates_dropped) == (7, 9)
    assert (made.first_event_timestamp, made.last_event_timestamp) == (0, 11)
    assert (made.settled, made.complete) == (True, True)
    made.gaps = [Gap(1, 2, "x")]
    made.sum_up(late_ms=990)
    assert (made.settled, made.complete) == (False, False)


def test_neighbours_become_one():
    windows = [stretch(0, 10, 2, 50, 5), stretch(10, 20, 0, 40, 5), stretch(20, 35, 3, 60, 9)]
    (one, other) = merged(windows, 20)
    assert (one.start, one.end, one.events, one.pages, one.read_at) == (0, 20, 2, 4, 40)
    assert (one.first, one.last, one.bytes, one.sha256) == (0, 9, 5, "digest 20")
    assert other == windows[2]
    assert merged(windows, 5) == windows
    assert merged([], 5) == []


def test_no_stream_has_the_name_of_another_ones_manifest():
    ends = (manifest.SUFFIX, manifest.PART, manifest.PROGRESS, manifest.WHOLE)
    for form in FORMS.values():
        for end in ends:
            assert not (file_name("a.log" + end) + form.suffix).endswith(end)
