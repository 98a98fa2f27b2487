"""The console's lines: readable, safe, coloured only where they should be."""

from __future__ import annotations

import io
import re
import time

import pytest

from mlids.delivery import Delivery
from mlids.events import Event
from mlids.notifiers.console import Console
from mlids.testing import event


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def written(made: Event, stream: io.StringIO | None = None, **options: object) -> str:
    stream = stream or io.StringIO()
    Console(stream, **options).notify(made)
    return stream.getvalue()


def test_a_line_names_time_severity_type_entity_and_what_happened() -> None:
    assert written(event()) == "10:30:45  MEDIUM    Failed Login      192.0.2.7  a test\n"


def test_target_and_count_are_shown() -> None:
    details = {"ip": "192.0.2.7", "target": "10.0.0.1", "description": "d", "count": 90}
    line = written(event("Port Scan", "HIGH", details=details))
    assert line.startswith("10:30:45  HIGH      Port Scan         192.0.2.7 → 10.0.0.1  d  ")
    assert line.endswith("\N{MULTIPLICATION SIGN}90\n")


def test_every_field_is_made_safe() -> None:
    evil = "x\x1b[31m\u202e\ny"
    details = {"ip": evil, "target": evil, "description": evil, "count": evil}
    line = written(event(evil, evil, details=details))
    assert line.count("\n") == 1
    assert "\x1b" not in line
    assert "\u202e" not in line


def test_an_entity_that_the_description_names_is_not_said_twice() -> None:
    details = {"ip": "192.0.2.7", "target": "web1", "description": "192.0.2.7 scans web1"}
    assert written(event(details=details)).count("192.0.2.7") == 1


def test_odd_events_have_a_line_too() -> None:
    for odd in (Event(), Event(details="text"), event(timestamp="yesterday"), event(details={})):
        assert written(odd).endswith("\n")


@pytest.mark.parametrize(
    ("environment", "terminal", "options", "coloured"),
    [
        ({}, True, {}, True),
        ({}, False, {}, False),
        ({"NO_COLOR": "1"}, True, {}, False),
        ({"FORCE_COLOR": "1"}, False, {}, True),
        ({"FORCE_COLOR": "0"}, False, {}, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, {}, False),
        ({"NO_COLOR": "1"}, False, {"colour": "always"}, True),
        ({}, True, {"colour": "never"}, False),
    ],
)
def test_colours(
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    terminal: bool,
    options: dict[str, str],
    coloured: bool,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = Terminal() if terminal else io.StringIO()
    assert ("\x1b[" in written(event(), stream, **options)) == coloured


def test_a_long_line_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    long = event(details={"ip": "192.0.2.7", "description": "明" * 500})
    line = re.sub(r"\x1b\[[0-9;]*m", "", written(long, Terminal()))
    assert line.endswith("…\n")
    assert 40 < len(line) <= 61
    assert len(written(long)) > 500  # a file gets all of it


def test_a_stream_without_unicode_gets_escapes() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    Console(stream).notify(event(details={"ip": "192.0.2.7", "description": "naïve"}))
    assert b"na\\xefve" in raw.getvalue()


def test_repeats_are_told_with_their_count() -> None:
    stream = io.StringIO()
    delivery = Delivery(Console(stream), "console")
    delivery.start()
    for n in range(12):
        delivery.put(event(seconds=n))
    delivery.stop()
    lines = stream.getvalue().splitlines()
    assert [line.rpartition("\N{MULTIPLICATION SIGN}")[2] for line in lines[1:]] == ["9", "2"]
    assert len(lines) == 3


def test_standard_output_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    Console().notify(event())
    assert "Failed Login" in capsys.readouterr().out
