"""One log line, and what MLIDS makes of it: what it is read as, who looks at it, what is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from mlids import assembly
from mlids.batches import LineBatch, LogFormat
from mlids.errors import MLIDSError
from mlids.events import Event, format_time
from mlids.lines import chunks
from mlids.logins.records import logins
from mlids.signatures.library import library
from mlids.signatures.reasons import reasons
from mlids.web import looks

MOST = 5  # formats that are named with how likely they are


class Look(msgspec.Struct, frozen=True):
    """One rule that looked at the line."""

    rule: str
    fired: bool
    why: str


class Explanation(msgspec.Struct, frozen=True):
    """What MLIDS makes of a line. format: "" where none knows it; likely: others, 0 to 1."""

    line: str
    format: str
    recognised: bool
    likely: dict[str, float]
    columns: dict[str, str]
    looks: list[Look]
    asked: int
    """Rules that could have looked at it, but need text that the line does not hold."""
    notes: list[str]
    events: list[dict[str, Any]]


def explain(settings: Any, line: bytes, name: str = "", written: int = 0) -> Explanation:
    """What is made of a line, by all detectors of log lines with these settings.

    name: the format it is to be read as; "": the likeliest. written: ns since 1970 by which it was
    written, from which missing years are inferred. Raises `MLIDSError` E002 for an unknown format.
    """
    formats = assembly.formats(settings)
    scores = formats.scores(line + b"\n")
    chosen = name or formats.likeliest(line + b"\n")
    known = formats.made(chosen) if chosen else None
    batch = one_line(line, known, written)
    rules = library(tuple(settings.monitoring.log_rules))
    found = [Look(*reason) for reason in reasons(batch, rules)] if known else []
    web = [Look(*reason) for reason in looks.reasons(batch)]
    likely = sorted(scores.items(), key=lambda pair: -pair[1])[:MOST]
    return Explanation(
        line=line.decode("utf-8", "backslashreplace"),
        format=chosen,
        recognised=bool(known and known.recognised(batch).all()),
        likely={name: round(score, 2) for name, score in likely if score},
        columns=_columns(batch),
        looks=found + web,
        asked=len(rules.rules) - len(found),
        notes=list(_notes(settings, batch)),
        events=[dict(event) for event in _events(settings, batch)],
    )


def one_line(line: bytes, known: LogFormat | None, written: int = 0) -> LineBatch:
    """A batch of a single line."""
    import numpy as np

    data = line + b"\n"
    starts, ends = chunks.line_bounds(data)
    numbers = np.arange(1, len(starts) + 1, dtype=np.int64)
    return LineBatch(data, starts, ends, numbers, "line", written=written, format=known)


def _columns(batch: LineBatch) -> dict[str, str]:
    """What the format reads out of the line."""
    if batch.format is None:
        return {}
    columns = batch.format.parse(batch)
    found = {}
    for name, values in columns.items():
        value = values[0] if len(values) else None
        if name == "time":
            found["time"] = format_time(int(value)) if value else "none"
        elif value is not None:
            found[name] = value.decode("utf-8", "backslashreplace")
    return found


def _notes(settings: Any, batch: LineBatch) -> Iterator[str]:
    """What the line counts for, without being told by itself."""
    chosen = settings.thresholds.brute_force_threshold
    for login in logins(batch, tuple(settings.monitoring.log_rules)):
        who = login.src or login.peer or "no address"
        if login.outcome == "failure":
            yield (
                f"a failed login of {login.user!r} from {who}: brute_force counts it"
                f" (threshold {chosen} in 10 minutes, and two slower ones)"
            )
        else:
            yield f"a login of {login.user!r} from {who}: brute_force looks what failed before it"


def _events(settings: Any, batch: LineBatch) -> Iterator[Event]:
    for name, detector in assembly.detectors(settings, LineBatch).items():
        try:
            yield from detector.inspect(batch)
            yield from detector.flush()
        except Exception as error:
            raise MLIDSError("E107", f"detector {name}: {error!r}") from error
