"""One plot on its way to PNG: title above, period and date below, drawn without a display."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from mlids.documents import Figure
from mlids.encoders import fitted, terminal_safe
from mlids.errors import MLIDSError

DOTS = 150  # an inch: sharp in print
LABEL = 32  # columns of a name at an axis
STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.6,
    "text.parse_math": False,  # a dollar sign in a name is no formula
}


class Canvas:
    """A figure of so many inches with one pair of axes.

    Raises `MLIDSError` E005 where matplotlib is missing.
    """

    def __init__(self, title: str, foot: str, width: float, height: float) -> None:
        try:
            import matplotlib as mpl
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure as Drawing
        except ImportError as error:
            hint = "pip install matplotlib"
            raise MLIDSError("E005", "matplotlib is not installed", hint) from error
        self.title = title
        self._style: Any = mpl.rc_context(STYLE)
        self._style.__enter__()
        self._drawing = Drawing(figsize=(width, height), dpi=DOTS, layout="constrained")
        FigureCanvasAgg(self._drawing)
        self.axes: Any = self._drawing.add_subplot()
        self.axes.set_title(title, fontweight="bold")
        self._drawing.supxlabel(foot, fontsize=7.5, color="#444444", x=0.99, ha="right")

    def mark_dates(self) -> None:
        """Label the horizontal axis with UTC dates, as many as fit."""
        import matplotlib.dates as mdates

        axis: Any = mdates  # its types are not declared
        locator = axis.AutoDateLocator(tz=UTC)
        self.axes.xaxis.set_major_locator(locator)
        self.axes.xaxis.set_major_formatter(axis.ConciseDateFormatter(locator, tz=UTC))

    def count_on(self, axis: str) -> None:
        """Label an axis, x or y, with whole numbers from 0 on: there is no half event."""
        from matplotlib.ticker import MaxNLocator, StrMethodFormatter

        chosen = getattr(self.axes, f"{axis}axis")
        chosen.set_major_locator(MaxNLocator(nbins="auto", integer=True))
        chosen.set_major_formatter(StrMethodFormatter("{x:,.0f}"))

    def add_bar(self, image: Any, name: str) -> None:
        """The scale of a heat map's colours."""
        self._drawing.colorbar(image, ax=self.axes, label=name, pad=0.01)

    def say(self, text: str) -> None:
        """A word in the middle, where there is nothing to draw."""
        self.axes.text(0.5, 0.5, text, transform=self.axes.transAxes, ha="center", va="center")

    def figure(self, told: str) -> Figure:
        """The finished plot; told: what it shows, in words for those who do not see it."""
        buffer = io.BytesIO()
        try:
            with warnings.catch_warnings():  # a letter that the font lacks is drawn as a box
                warnings.filterwarnings("ignore", "Glyph .* missing")
                self._drawing.savefig(buffer, format="png", metadata={"Software": "MLIDS"})
        finally:
            self._style.__exit__(None, None, None)
        return Figure(self.title, f"{self.title}: {told}", buffer.getvalue())


def dates(moments: Iterable[int]) -> list[datetime]:
    """Seconds since 1970 as matplotlib takes them."""
    return [datetime.fromtimestamp(moment, UTC) for moment in moments]


def label(text: str) -> str:
    """A name that fits beside an axis."""
    return fitted(terminal_safe(text), LABEL)
