"""Rejected events are kept, within bounds, under safe names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlids.delivery import rejects
from mlids.delivery.rejects import Rejects, file_name
from mlids.testing import event


def test_each_is_a_line_with_its_reason(tmp_path: Path) -> None:
    kept = Rejects(tmp_path / "spool" / "elk.rejected.jsonl")
    kept.keep([event(id="1"), event(id="2")], "wrong shape")
    kept.keep([event(id="3")], "too large")
    assert kept.path
    lines = [json.loads(line) for line in kept.path.read_text().splitlines()]
    assert [(one["reason"], one["event"]["id"]) for one in lines] == [
        ("wrong shape", "1"),
        ("wrong shape", "2"),
        ("too large", "3"),
    ]
    assert kept.path.stat().st_mode & 0o077 == 0


def test_the_file_is_turned_over_when_it_is_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejects, "MAX_BYTES", 1000)
    kept = Rejects(tmp_path / "x.jsonl")
    for n in range(50):
        kept.keep([event(id=str(n))], "no")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.jsonl", "x.jsonl.1"]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 4000


def test_a_place_that_takes_nothing_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    Rejects(tmp_path / "file" / "x").keep([event()], "no")
    Rejects(None).keep([event()], "no")


def test_file_names_are_safe_and_differ() -> None:
    assert file_name("splunk") == "splunk"
    names = ["../x", "..", "", "/", "a/b", "a\\b", "a b", "é", "x" * 300, "x" * 301, "a.b"]
    made = [file_name(name) for name in names]
    assert len(set(made)) == len(names)
    assert all(set(name) <= set("-_") | set(map(chr, range(48, 123))) for name in made)
    assert not any("/" in name or name.startswith(".") for name in made)
