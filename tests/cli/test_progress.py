import gc
import sys
import time

from mlids.cli.progress import bar, phases, rare_collections


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


def test_cycles_are_looked_for_seldom_and_then_as_before():
    before = gc.get_threshold()
    with rare_collections():
        assert gc.get_threshold()[0] == 100_000
    assert gc.get_threshold() == before
