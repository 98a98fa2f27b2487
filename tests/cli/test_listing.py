import json

from mlids.cli import listing
from mlids.testing import START_NS, event


def test_a_line_for_people_is_safe_and_in_columns():
    made = event("X\x1b[31m", details={"ip": "192.0.2.7", "description": "a\nb\u202e"})
    line = listing.line(made)
    assert line.startswith("2025-01-13 10:30:45  ")
    assert "192.0.2.7" in line
    assert "\n" not in line and "\u202e" not in line
    assert "\x1b[31m" not in line.replace("\x1b[33m", "")  # but for our own colour


def test_the_list_says_what_else_there_is(capsys):
    events = [event(seconds=n) for n in range(3)]
    assert len(list(listing.table(events, lambda: 10, 3))) == 3
    assert "10 events, the last 3 shown" in capsys.readouterr().err
    list(listing.table(events[:1], lambda: 1 / 0, 3))
    assert capsys.readouterr().err.strip() == "1 event"


def test_one_document_however_many_events():
    for count in range(3):
        events = [event(seconds=n) for n in range(count)]
        pieces = listing.document(events, 'say "x"', (START_NS, START_NS + 10**9))
        found = json.loads(b"".join(pieces))
        assert (found["total"], found["events"], found["query"]) == (count, events, 'say "x"')


def test_preparing_is_told_on_a_terminal_only(monkeypatch, capsys):
    clock = iter([0.0, 0.5, 2.0, 3.0, 9.0])
    monkeypatch.setattr(listing.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(listing.sys.stderr, "isatty", lambda: True, raising=False)
    tell = listing.progress()
    tell(1, 9)
    assert capsys.readouterr().err == ""
    tell(2, 9)
    assert "2 of 9" in capsys.readouterr().err
