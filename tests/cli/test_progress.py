import gc
import re
import sys
import time

from mlids.cli.progress import bar, counted, phases, rare_collections


def test_the_bar_asks_how_far_it_is_and_ends(capsys):
    asked = []

    def progress():
        asked.append(1)
        return 5, 10

    with bar("scanning", progress):
        deadline = time.monotonic() + 5
        while not asked:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    seen = len(asked)
    time.sleep(0.3)
    assert len(asked) == seen
    assert capsys.readouterr().out == ""


def test_phases_are_shown_one_after_another(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    names, asked = ["first"], []

    def progress():
        asked.append(names[0])
        names[0] = "second"
        return 1, 0

    with phases("backtest", lambda: names[0], progress):
        deadline = time.monotonic() + 5
        while "second" not in asked:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_nothing_is_shown_where_nobody_looks(capsys):
    asked = []
    with phases("backtest", lambda: "x", lambda: asked.append(1) or (0, 0)):
        time.sleep(0.3)
    assert not asked
    assert capsys.readouterr().err == ""


def test_what_is_counted_is_shown_with_rate_share_and_time_left(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    begun, asked = time.monotonic(), []

    def share():
        asked.append(1)
        return min(1.0, (time.monotonic() - begun) / 2)

    with counted("events", lambda: 1234 * len(asked), share):
        deadline = time.monotonic() + 5
        while len(asked) < 5:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    out, err = capsys.readouterr()
    assert out == ""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", err)
    assert re.search(r"━ +\d+% [\d,]+ events, [\d,]+/s 0:00:0\d", plain), plain
    assert err.endswith("\r\x1b[1A\x1b[2K")  # the line is gone
    assert err.count("\x1b[?25l") == err.count("\x1b[?25h") == 1  # the cursor is not


def test_where_the_share_is_unknown_the_count_is_shown_all_the_same(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with counted("events", lambda: 7, lambda: 0.0):
        time.sleep(0.5)
    assert "7 events" in capsys.readouterr().err


def test_nothing_is_counted_where_nobody_looks(capsys):
    asked = []
    with counted("events", lambda: asked.append(1) or 0, lambda: 0.5):
        time.sleep(0.3)
    assert not asked
    assert capsys.readouterr() == ("", "")


def test_cycles_are_looked_for_seldom_and_then_as_before():
    before = gc.get_threshold()
    with rare_collections():
        assert gc.get_threshold()[0] == 100_000
    assert gc.get_threshold() == before
