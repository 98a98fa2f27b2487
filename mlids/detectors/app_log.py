"""Patterns of the user's own for the logs of applications (`monitoring.app_log_patterns`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from mlids import addresses
from mlids.batches import Detector, LineBatch
from mlids.events import Event, detection_id
from mlids.lines.patterns import LIMIT_S, Candidates, Matching, UserPattern
from mlids.logins.records import text
from mlids.signatures.counting import Count, Counting, evidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN = 160
FIELDS = frozenset(("ip", "user", "port", "path", "target", "service", "protocol", "source_host"))


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Settings of the detector of one's own patterns."""

    patterns: Annotated[
        list[UserPattern],
        msgspec.Meta(description="The patterns", extra={"key": "monitoring.app_log_patterns"}),
    ] = []
    max_keys: Annotated[
        int, msgspec.Meta(ge=100, description="Sources remembered for patterns that count")
    ] = 20_000


class AppLog(Detector[LineBatch]):
    """Tells lines that patterns of the user's own find, in any log."""

    Settings = Settings
    kind = LineBatch

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._patterns = [Matching(pattern) for pattern in self.settings.patterns]
        quick = [pattern for pattern in self._patterns if pattern.quick]
        self._candidates = Candidates(quick) if quick else None
        self._everywhere = any(not pattern.quick for pattern in self._patterns) or bool(
            self._candidates and self._candidates.whole
        )
        self._counting = Counting(self.settings.max_keys)
        self._told_off: set[str] = set()

    def inspect(self, batch: LineBatch) -> Iterable[Event]:
        """One event for each line that a pattern finds, or for what they add up to."""
        if not self._patterns:
            return
        if not len(batch):
            yield from self._counting.close(batch.now) if batch.now else ()
            return
        mine = [p for p in self._patterns if not p.off and _is_for(p.user, batch.source)]
        rows = self._rows(batch) if mine else np.zeros(0, np.intp)
        narrow = batch.take(rows)
        for at, row in enumerate(rows.tolist()):
            line = batch.line(row)
            for pattern in mine:
                found = pattern.find(line)
                if found is not None:
                    yield from self._found(narrow, at, pattern.user, found)
                elif pattern.off:
                    yield from self._switched_off(narrow, at, pattern)

    def _rows(self, batch: LineBatch) -> NDArray[np.intp]:
        """Lines in which a pattern may be found."""
        if self._everywhere:
            return np.arange(len(batch))
        assert self._candidates
        data, offset = batch.span()
        places = np.array(self._candidates.places(data), dtype=np.int64).reshape(-1, 2) + offset
        first = np.searchsorted(batch.starts, places[:, 0], "right") - 1
        last = np.searchsorted(batch.starts, places[:, 1], "left")
        touched = [np.arange(max(a, 0), b) for a, b in zip(first, last, strict=True)]
        return np.unique(np.concatenate(touched)) if touched else np.zeros(0, np.intp)

    def _found(
        self, batch: LineBatch, at: int, user: UserPattern, found: dict[str, bytes]
    ) -> Iterator[Event]:
        values = {user.fields.get(name, name): text(value) for name, value in found.items()}
        time_ns = _time(batch, at)
        if user.threshold == 1:
            yield _event(batch, at, user, values, None)
            return
        yield from self._counting.close(time_ns)
        whom = addresses.normalise(values.get("ip", "")) or values.get("user", "")
        key, place = f"{user.name} {whom}", tuple(batch.evidence(at).values())
        count = self._counting.add(key, time_ns, place, user.threshold, user.window_s)
        if count is not None:
            event = _event(batch, at, user, values, count)
            yield from self._counting.tell(key, event, user.window_s)

    def _switched_off(self, batch: LineBatch, at: int, pattern: Matching) -> Iterator[Event]:
        name = pattern.user.name
        if name in self._told_off:
            return
        self._told_off.add(name)
        text = f"pattern {name} took over {LIMIT_S} s for each of {pattern.late} lines: it is off"
        yield Event.new(
            "Monitoring Gap",
            "MEDIUM",
            "system",
            {"description": text, "metadata": {"pattern": name, "late": pattern.late}},
            time_ns=_time(batch, at),
            rule="app_log",
            evidence=[batch.evidence(at)],
            explanation=text,
            correlation_id=detection_id("app_log", name),
        )

    def flush(self) -> Iterable[Event]:
        """Tell what was held back."""
        return self._counting.flush()

    def save(self) -> dict[str, Any]:
        """Windows, and what is held back."""
        late = {pattern.user.name: pattern.late for pattern in self._patterns if pattern.late}
        return {"counting": self._counting.save(), "late": late, "off": sorted(self._told_off)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._counting.restore(state["counting"])
        self._told_off = set(state["off"])
        for pattern in self._patterns:
            pattern.late = state["late"].get(pattern.user.name, 0)

    def counts(self) -> dict[str, int]:
        """Sources forgotten early, and lines that a pattern did not finish in time."""
        late = sum(pattern.late for pattern in self._patterns)
        return {"evicted": self._counting.evicted, "lines_given_up": late}


def _is_for(user: UserPattern, source: str) -> bool:
    return not user.sources or any(fnmatch(source, pattern) for pattern in user.sources)


def _time(batch: LineBatch, at: int) -> int:
    try:
        return int(batch.column("time")[at]) or batch.written
    except KeyError:
        return batch.written


def _event(
    batch: LineBatch, at: int, user: UserPattern, values: dict[str, str], count: Count | None
) -> Event:
    address = addresses.normalise(values.get("ip", ""))
    line = batch.line(at)[:SHOWN].decode("utf-8", "backslashreplace")
    own = {name: value for name, value in values.items() if name in FIELDS and name != "ip"}
    if own.get("port", "").isdigit():
        own["port"] = int(own["port"])  # type: ignore[assignment]
    rest = {name: value for name, value in values.items() if name not in FIELDS}
    if "ip" in values and not address:
        rest["ip"] = values["ip"]
    who = address or values.get("user", "")
    seen = count.seen if count else 1
    window = f"within {user.window_s} s" if count else "no window"
    details = {
        **({"ip": address} if address else {}),
        **own,
        "description": f"{user.name}{f' by {who}' if who else ''}: {line}",
        "metadata": {**rest, "pattern": user.name, "line": line},
    }
    place = batch.evidence(at)
    return Event.new(
        user.event_type,
        "MEDIUM" if user.severity == "MIDDLE" else user.severity,
        "application",
        details,
        time_ns=_time(batch, at),
        rule=f"app_log/{user.name}",
        tags=["app-log", *user.tags],
        techniques=user.techniques,
        evidence=evidence(place, count.places) if count else [place],
        explanation=f"{seen} {'lines' if count else 'line'} (threshold {user.threshold}, {window})",
        correlation_id=detection_id("app_log", user.name, *place.values()),
    )
