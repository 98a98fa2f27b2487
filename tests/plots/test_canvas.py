import sys

import pytest

from mlids.errors import MLIDSError
from mlids.plots.canvas import LABEL, Canvas, dates, label


def test_a_plot_is_sharp_enough_for_print():
    figure = Canvas("Title", "foot", 8, 3).figure("nothing")
    assert figure.png.startswith(b"\x89PNG\r\n")
    width, height = (int.from_bytes(figure.png[at : at + 4]) for at in (16, 20))
    assert (width, height) == (1200, 450)
    assert figure.alternative == "Title: nothing"


def test_text_is_no_formula_and_no_control():
    canvas = Canvas("$\\frac{x", "$$ \x1b[31m", 4, 2)
    canvas.axes.set_yticks([0], [label("$x^{\\undefined$\x00\u202e")])
    canvas.say("$_")
    assert canvas.figure("x").png
    assert label("a\x1bb") == "a\\x1bb"
    assert len(label("x" * 100)) == LABEL


def test_the_style_of_others_is_left_alone():
    import matplotlib as mpl

    before = mpl.rcParams["font.size"]
    Canvas("t", "f", 4, 2).figure("x")
    assert mpl.rcParams["font.size"] == before


def test_without_matplotlib_that_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MLIDSError, match="matplotlib") as error:
        Canvas("t", "f", 4, 2)
    assert (error.value.code, error.value.hint) == ("E005", "pip install matplotlib")


def test_dates_are_utc():
    assert dates([0])[0].isoformat() == "1970-01-01T00:00:00+00:00"
