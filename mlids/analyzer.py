"""Analyzer: looks back over stored events: summary, anomalies, export."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mlids import anomalies, exports
from mlids.errors import MLIDSError
from mlids.events import Event, format_time
from mlids.store import EventStore

if TYPE_CHECKING:
    import pandas

DAY_NS = 86_400 * 1_000_000_000
HOUR_NS = 3600 * 1_000_000_000
TOP = 10


class Summary(msgspec.Struct):
    """Counts over a period; `since` and `until` are UTC, hours are 0 to 23 in UTC."""

    since: str
    until: str
    total: int = 0
    by_type: dict[str, int] = {}
    by_severity: dict[str, int] = {}
    by_source: dict[str, int] = {}
    by_hour: dict[int, int] = {}
    top_addresses: dict[str, int] = {}
    first: str = ""
    last: str = ""


class Analyzer:
    """Answers questions about the events below `logs_dir`; needs no running MLIDS.

    clock: the moment that periods are counted back from, in ns since 1970.
    """

    def __init__(
        self,
        logs_dir: str | os.PathLike[str] = "logs",
        *,
        clock: Callable[[], int] = time.time_ns,
        method: str = "mad",
        threshold: float = 3.5,
        window_size: int = 300,
        alert_threshold: float = 0.95,
    ) -> None:
        self.store = EventStore(logs_dir)
        self.clock = clock
        self.method = method
        self.threshold = threshold
        self.window_size = window_size
        self.alert_threshold = alert_threshold

    def events(self, days: float = 30, search: str = "") -> Iterator[Event]:
        """Events of the last `days`, oldest first; search: only those with this text in a value."""
        now = self.clock()
        text = search.strip().strip('"')
        return self.store.query(since=now - int(days * DAY_NS), text=text)

    def generate_summary(self, days: float = 30, search: str = "") -> dict[str, Any]:
        """Counts by type, severity, source, hour, and the top addresses (see `Summary`)."""
        now = self.clock()
        summary = summarise(self.events(days, search), now - int(days * DAY_NS), now)
        return dict(msgspec.to_builtins(summary, str_keys=True))

    def detect_anomalies(
        self, window_hours: float = 24, method: str | None = None
    ) -> list[dict[str, Any]]:
        """Windows of the last `window_hours` in which a type came unusually often or seldom.

        What is usual is learned from the 30 days up to now, windows of `window_size` seconds per
        event type. method: mad, zscore or isolation_forest. Each anomaly names type, window, usual
        and observed count, score, method and the ids of the events behind it. Raises E105.
        """
        until = self.clock()
        moments = ((e.time_ns, e["type"], e.get("id", "")) for e in self.events(30))
        try:
            return anomalies.detect(
                moments,
                until_ns=until,
                since_ns=until - int(window_hours * HOUR_NS),
                window_s=self.window_size,
                method=method or self.method,
                threshold=self.threshold,
                quantile=self.alert_threshold,
            )
        except ImportError as error:
            hint = f"pip install {error.name or 'scikit-learn'}"
            raise MLIDSError("E005", str(error), hint) from error

    def load_data(self, days: float = 30) -> pandas.DataFrame:
        """The events as a DataFrame: one row an event, details as `details.<key>` columns.

        `timestamp` is a UTC datetime; lists stay lists. Raises E005 where pandas is missing.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise MLIDSError("E005", "pandas is not installed", "pip install pandas") from error
        frame = pd.DataFrame(list(map(exports.flat, self.events(days))))
        if not len(frame):
            frame = pd.DataFrame(columns=["timestamp", "type", "severity", "source"])
        frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True, format="ISO8601")
        return frame

    def export_report(
        self,
        format: str = "json",
        output_file: str | os.PathLike[str] = "report.json",
        days: float = 30,
        search: str = "",
    ) -> Path:
        """Write the summary (json, txt) or the events (csv) of a period; returns the path.

        Raises `MLIDSError` E105 for an unknown format, E004 or E106 where it cannot be written.
        """
        summary = self.generate_summary(days, search)
        return exports.write(format, Path(output_file), summary, self.events(days, search))


def summarise(events: Iterable[Event], since_ns: int, until_ns: int) -> Summary:
    """The counts of these events."""
    types: Counter[str] = Counter()
    severities: Counter[str] = Counter()
    sources: Counter[str] = Counter()
    hours: Counter[int] = Counter()
    addresses: Counter[str] = Counter()
    summary = Summary(since=format_time(since_ns), until=format_time(until_ns))
    for event in events:
        stamp = event["timestamp"]
        types[event["type"]] += 1
        severities[event["severity"]] += 1
        sources[event["source"]] += 1
        hours[int(stamp[11:13])] += 1
        if address := event["details"].get("ip"):
            addresses[str(address)] += 1
        summary.total += 1
        summary.first = min(summary.first or stamp, stamp)
        summary.last = max(summary.last, stamp)
    summary.by_type = dict(types.most_common())
    summary.by_severity = dict(severities.most_common())
    summary.by_source = dict(sources.most_common())
    summary.by_hour = dict(sorted(hours.items()))
    summary.top_addresses = dict(addresses.most_common(TOP))
    return summary
