"""False alarms as test cases: what was marked stays quiet, and nothing beside it does.

A case is a file ``false-positives/<event id>.json`` beside the event store: the event, the lines
behind it as far as they could still be read, and the suppression. `run` holds three things against
it: the event is suppressed, the same event of another entity is not, and the detectors still tell
of the lines where another entity stands in them.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from mlids import assembly
from mlids.archive import Archive
from mlids.atomic import write_atomically
from mlids.batches import LineBatch
from mlids.errors import MLIDSError
from mlids.events import Event
from mlids.explaining import one_line
from mlids.identity import random_id
from mlids.moments import format_time, parse_time
from mlids.query import quoted
from mlids.suppression.entries import Suppression, Suppressions, is_grave

FOLDER = "false-positives"
SHORTEST_ID = 8
LONGEST_LINE = 1 << 16
MOST_BYTES = 1 << 20  # of all lines of a case
OTHERS = {"ip": ("198.51.100.77", "2001:db8:ffff::77"), "user": ("somebody-else",)}


class Line(msgspec.Struct, frozen=True):
    """A line behind an event, as it stood in its source."""

    source: str
    offset: int
    text: str


class Case(msgspec.Struct, frozen=True):
    """One false alarm. must_tell: the same event of another entity."""

    event: dict[str, Any]
    lines: list[Line]
    suppression: Suppression
    must_tell: dict[str, Any]


class Verdict(msgspec.Struct, frozen=True):
    """What became of a case; problems: what does not hold, notes: what could not be tried."""

    id: str
    state: Literal["held", "failed", "expired", "removed"]
    problems: list[str] = []
    notes: list[str] = []


def find(archive: Archive, id: str) -> Event:
    """The stored event of an id, or of the unique beginning of one.

    Raises KeyError where there is none or several have it, ValueError where it is too short.
    """
    if len(id) < SHORTEST_ID:
        raise ValueError(f"{id!r} is too short: {SHORTEST_ID} characters of the id at least")
    found: dict[str, Event] = {}
    for event in archive.search(quoted(id)):
        if str(event.get("id", "")).startswith(id):
            found[event["id"]] = event
    if len(found) != 1:
        raise KeyError(f"{len(found) or 'no'} stored events have an id like {id!r}")
    return next(iter(found.values()))


def suppression(
    event: Event, by: str, reason: str, now_ns: int, until: str, scope: str, critical: bool
) -> Suppression:
    """A suppression for this event's rule and entity, and not more; scope ``rule``: of any entity.

    Raises ValueError where the event has no entity, or is CRITICAL and that is not meant.
    """
    if is_grave(event) and not critical:
        raise ValueError(f"the event is a {event['severity']} {event['type']}: say --critical too")
    if scope == "entity" and not event.entity:
        raise ValueError("the event is about no address, user or path: say --scope rule")
    return Suppression(
        id=random_id()[:8],
        created=format_time(now_ns),
        until=until,
        by=by,
        reason=reason,
        type=glob.escape(event["type"]),
        rule=glob.escape(event.get("rule", "")),
        entity=event.entity if scope == "entity" else "",
        critical=critical,
    )


def write(folder: Path, event: Event, entry: Suppression) -> Path:
    """Leave a case for `run`; returns its file. Raises `MLIDSError` E004 or E106."""
    case = Case(dict(event), list(_lines(event)), entry, dict(elsewhere(event)))
    path = folder / FOLDER / f"{Path(event['id']).name}.json"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise MLIDSError("E106", f"{path.parent}: {error.strerror}") from error
    write_atomically(path, msgspec.json.format(msgspec.json.encode(case), indent=2) + b"\n")
    return path


def elsewhere(event: Event) -> Event:
    """The same event of another entity."""
    details = dict(event["details"])
    key = next((key for key in ("ip", "user", "path", "target") if details.get(key)), "")
    if key:
        details[key] = _other(key, str(details[key]))
    return event.replace(details=details)


def _other(key: str, value: str) -> str:
    """Another value of the same kind, fit to stand in its place in a line."""
    known = OTHERS.get(key, ())
    if key == "ip":
        return known[":" in value]
    return known[0] if known else f"{value}-elsewhere"


def _lines(event: Event) -> Iterator[Line]:
    """The lines of the evidence that still stand where they stood, in the order of the source."""
    places = [place for place in event.get("evidence", ()) if isinstance(place, dict)]
    known = {
        (source, offset)
        for place in places
        if isinstance(source := place.get("source"), str)
        and isinstance(offset := place.get("offset"), int)
    }
    room = MOST_BYTES
    for source, offset in sorted(known):
        text = _line(source, offset)
        room -= len(text)
        if text and room >= 0 and (not event.entity or event.entity in text):
            yield Line(source, offset, text)


def _line(source: str, offset: int) -> str:
    """The whole line at a place; "" where there is none any more."""
    try:
        handle = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return ""
    try:
        data = os.pread(handle, LONGEST_LINE, offset)
    except (OSError, ValueError, OverflowError):
        return ""
    finally:
        os.close(handle)
    line, end, _ = data.partition(b"\n")
    return line.decode("utf-8", "surrogateescape") if end else ""


def cases(folder: Path) -> Iterator[tuple[Path, Case]]:
    """All cases. Raises `MLIDSError` E002 where one is broken."""
    for path in sorted((folder / FOLDER).glob("*.json")):
        try:
            yield path, msgspec.json.decode(path.read_bytes(), type=Case)
        except (OSError, msgspec.DecodeError, ValueError) as error:
            hint = "remove it, or mark the event anew"
            raise MLIDSError("E002", f"{path} is broken: {error}", hint) from error


def run(settings: Any, case: Case, book: list[Suppression], now_ns: int) -> Verdict:
    """Hold a case against the suppressions of the book, and against the detectors."""
    event, other = Event(case.event), Event(case.must_tell)
    id = str(event.get("id", ""))
    mine = next((entry for entry in book if entry.id == case.suppression.id), None)
    state = mine.state(now_ns) if mine else "removed"
    if parse_time(case.suppression.until) <= now_ns:
        state = "expired"
    if state != "active":
        return Verdict(id, "expired" if state == "expired" else "removed")
    problems, notes = [], []
    asked = Suppressions([entry for entry in book if entry.state(now_ns) == "active"])
    if asked.of(event, now_ns) is None:
        problems.append("the event is not suppressed")
    if case.suppression.entity and (found := asked.of(other, now_ns)):
        problems.append(f"of {other.entity} it is suppressed too, by {found.id}")
    if not case.lines:
        notes.append("no lines of its evidence could be read: the detectors were not asked")
    elif not _tells(settings, event, case.lines):
        notes.append("its lines alone do not lead to it: the detectors were not asked")
    elif not _tells(settings, other, _exchanged(case.lines, event.entity, other.entity)):
        problems.append(f"the detectors no longer tell it of {other.entity}")
    return Verdict(id, "failed" if problems else "held", problems, notes)


def _exchanged(lines: list[Line], old: str, new: str) -> list[Line]:
    if not old:
        return lines
    return [msgspec.structs.replace(one, text=one.text.replace(old, new)) for one in lines]


def _tells(settings: Any, event: Event, lines: list[Line]) -> bool:
    """Whether the detectors of log lines make such an event of these lines."""
    data = "\n".join(line.text for line in lines).encode("utf-8", "surrogateescape")
    known = assembly.formats(settings)
    name = known.likeliest(data + b"\n")
    batch = one_line(data, known.made(name) if name else None, event.time_ns)
    for detector in assembly.detectors(settings, LineBatch).values():
        for said in [*detector.inspect(batch), *detector.flush()]:
            same = said["type"] == event["type"] and said["rule"] == event.get("rule")
            if same and said.entity == event.entity:
                return True
    return False
