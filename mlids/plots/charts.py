"""Plots of stored events, as PNG: legible in print, told apart by the colour-blind, titled, dated.

Colours are Okabe and Ito's (2008) and the map cividis (Nuñez, Anderton, Renslow, 2018), which are
made for that; bars of different severity differ in their hatching too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlids.correlation import tactics
from mlids.documents import Figure
from mlids.events import Severity, format_time, parse_time
from mlids.plots.canvas import Canvas, dates, label
from mlids.tally import HOUR_S, Tally

DAY_S = 86_400
COLOURS = {"LOW": "#56B4E9", "MEDIUM": "#E69F00", "HIGH": "#D55E00", "CRITICAL": "#000000"}
HATCHES = {"LOW": "", "MEDIUM": "//", "HIGH": "xx", "CRITICAL": ""}
PLAIN = "#0072B2"
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
TOP = 10
ALERTS = Severity.MEDIUM
NONE = "none in this period"


class Plots:
    """The plots of one period.

    tally: its events; since_ns, until_ns: what it spans; made: when, for the foot of each plot;
    anomalies: as `Analyzer.detect_anomalies` gives them; alerts: its events of `ALERTS` or more,
    whose tactics are drawn: every login has a technique, and most are nobody's attack. Raises
    `MLIDSError` E005 where matplotlib is missing.
    """

    def __init__(
        self,
        tally: Tally,
        since_ns: int,
        until_ns: int,
        made: str,
        anomalies: Sequence[Mapping[str, Any]] = (),
        alerts: Tally | None = None,
    ) -> None:
        self.tally = tally
        self.alerts = alerts or tally
        self.since_s = (tally.first_ns if since_ns <= 0 else since_ns) // 10**9
        self.until_s = max(until_ns // 10**9, self.since_s + 1)
        self.made = made
        self.anomalies = anomalies

    def all(self) -> Iterator[tuple[str, Figure]]:
        """Every plot with its name; one of which nothing is known says so."""
        yield "events-over-time", self.over_time()
        yield "hours-and-weekdays", self.hours_and_weekdays()
        yield "top-sources", self.top("ip", "Addresses that were blamed most often", "events")
        yield "types", self.top("type", "Events by type", "events")
        yield "tactics", self.tactics()
        yield "anomalies", self.unusual()

    def over_time(self) -> Figure:
        """Bars by hour or day, stacked by severity."""
        step = HOUR_S if self.until_s - self.since_s <= 3 * DAY_S else DAY_S
        counts = self._series(step)
        word = "hour" if step == HOUR_S else "day"
        canvas = Canvas(f"Events per {word} by severity", self._period(), 9, 4)
        below = [0] * len(self._times(step))
        for severity in map(str, Severity):
            heights = [counts.get((moment, severity), 0) for moment in self._times(step)]
            canvas.axes.bar(
                dates(self._times(step)),
                heights,
                bottom=below,
                width=0.9 * step / DAY_S,
                align="edge",
                label=severity,
                color=COLOURS[severity],
                hatch=HATCHES[severity],
                edgecolor="white",
                linewidth=0.3,
            )
            below = [low + height for low, height in zip(below, heights, strict=True)]
        canvas.axes.legend(title="severity", ncols=4, loc="upper left", framealpha=0.9)
        canvas.axes.set_ylabel(f"events per {word}")
        canvas.axes.set_ylim(top=max(1.0, 1.25 * max(below, default=0)))
        if not self.tally.total:
            canvas.say(NONE)
        canvas.count_on("y")
        canvas.axes.set_xlim(self._span(step))
        canvas.mark_dates()
        return canvas.figure(f"{self.tally.total:,} events in {len(below)} {word}s")

    def hours_and_weekdays(self) -> Figure:
        """How many events at which hour of which weekday."""
        grid = [[0.0] * 24 for _ in DAYS]
        hours = Counter(_place(hour) for hour in self._times(HOUR_S))
        for (hour, *_), count in self.tally.cells.items():
            day, at = _place(hour)
            grid[day][at] += count / (hours[day, at] or 1)  # 30 days have five of some weekdays
        canvas = Canvas("Events an hour, by hour and weekday (UTC)", self._period(), 9, 3.6)
        image = canvas.axes.imshow(grid, aspect="auto", cmap="cividis", vmin=0)
        canvas.axes.set_xticks(range(0, 24, 2), [f"{hour:02d}" for hour in range(0, 24, 2)])
        canvas.axes.set_yticks(range(7), DAYS)
        canvas.axes.set_xlabel("hour of the day, UTC")
        if self.tally.total:
            canvas.add_bar(image, "events an hour")
        else:
            image.set_visible(False)
            canvas.say(NONE)
        most = max(
            (count, day, hour) for day, row in enumerate(grid) for hour, count in enumerate(row)
        )
        return canvas.figure(
            f"most events, {most[0]:,.1f} an hour, on {DAYS[most[1]]} at {most[2]:02d}:00"
        )

    def top(self, field: str, title: str, unit: str) -> Figure:
        """The most frequent values of a field of the tally."""
        return self._bars(title, unit, list(self.tally.by(field).items())[:TOP])

    def tactics(self) -> Figure:
        """Events by ATT&CK tactic, in the order of an attack; one can serve several."""
        counts = dict.fromkeys(tactics.order(), 0)
        for technique, count in self.alerts.by("technique").items():
            known = tactics.technique(technique)
            for tactic in known.tactics if known else ():
                counts[tactic] += count
        rows = [(tactic, count) for tactic, count in counts.items() if count]
        return self._bars(f"ATT&CK tactics of events of {ALERTS} or more", "events", rows)

    def unusual(self) -> Figure:
        """The rate of all events, and the windows that are anomalies."""
        canvas = Canvas("Rate of events, and what was unusual in it", self._period(), 9, 4)
        counts: dict[int, int] = {}
        for (moment, _), count in self._series(HOUR_S).items():
            counts[moment] = counts.get(moment, 0) + count
        times = self._times(HOUR_S)
        rates = [counts.get(moment, 0) for moment in times]
        canvas.axes.plot(
            dates(times),
            rates,
            color=PLAIN,
            linewidth=1,
            drawstyle="steps-post",
            label="events per hour",
        )
        marked = self._marked()
        if marked:
            heights = [counts.get(moment // HOUR_S * HOUR_S, 0) for moment in marked]
            canvas.axes.scatter(
                dates(marked),
                heights,
                marker="v",
                s=45,
                color=COLOURS["HIGH"],
                label="unusual",
                zorder=3,
            )
        canvas.axes.legend(loc="upper left")
        canvas.axes.set_ylabel("events per hour")
        canvas.axes.set_ylim(bottom=0, top=max(1.0, 1.2 * max(rates, default=0)))
        if not self.tally.total:
            canvas.say(NONE)
        canvas.count_on("y")
        canvas.axes.set_xlim(self._span(HOUR_S))
        canvas.mark_dates()
        return canvas.figure(f"{len(self.anomalies)} unusual moments")

    def _marked(self) -> list[int]:
        """The moments of the anomalies, seconds since 1970."""
        return sorted({parse_time(str(one["since"])) // 10**9 for one in self.anomalies})

    def _bars(self, title: str, unit: str, rows: Sequence[tuple[str, int]]) -> Figure:
        canvas = Canvas(title, self._period(), 9, max(2.0, 1.3 + 0.32 * len(rows)))
        names = [label(name) for name, _ in rows]
        bars = canvas.axes.barh(range(len(rows)), [count for _, count in rows], color=PLAIN)
        canvas.axes.bar_label(bars, [f"{count:,}" for _, count in rows], padding=3)
        canvas.axes.set_yticks(range(len(rows)), names)
        canvas.axes.invert_yaxis()
        canvas.axes.margins(x=0.12)
        canvas.axes.set_xlabel(unit)
        canvas.count_on("x")
        if not rows:
            canvas.say(NONE)
            canvas.axes.set_axis_off()
        told = (f"{name} {count:,}" for name, (_, count) in zip(names, rows, strict=True))
        return canvas.figure(", ".join(told) or "none")

    def _series(self, step: int) -> dict[tuple[int, str], int]:
        counts: dict[tuple[int, str], int] = {}
        for (hour, _, severity, _), count in self.tally.cells.items():
            moment = hour // step * step
            counts[moment, severity] = counts.get((moment, severity), 0) + count
        return counts

    def _times(self, step: int) -> range:
        return range(self.since_s // step * step, self.until_s, step)

    def _span(self, step: int) -> list[Any]:
        """The edges of the horizontal axis: an empty begin is shown, and nothing beside it."""
        times = self._times(step)
        return dates((times[0], times[-1] + step))

    def _period(self) -> str:
        begin, end = (
            format_time(moment * 10**9)[:16].replace("T", " ")
            for moment in (self.since_s, self.until_s)
        )
        return f"{begin} to {end} UTC · written {self.made[:16].replace('T', ' ')} by MLIDS"


def _place(moment: int) -> tuple[int, int]:
    """Weekday (0, Monday, to 6) and hour of a moment in seconds since 1970, a Thursday."""
    return (moment // DAY_S + 3) % 7, moment // HOUR_S % 24
