"""One line an event for people at a plain terminal."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TextIO

import msgspec

from mlids.encoders import fitted, terminal_safe
from mlids.events import Event, Notifier

NARROW = 40  # columns that time, severity and type need
COLOURS = {"LOW": "2", "MEDIUM": "33", "HIGH": "31", "CRITICAL": "1;37;41"}


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """How the lines look."""

    colour: Annotated[
        Literal["auto", "always", "never"],
        msgspec.Meta(description="auto: on a terminal, unless NO_COLOR is set"),
    ] = "auto"
    width: Annotated[
        int, msgspec.Meta(ge=0, le=10_000, description="columns; 0: those of the terminal")
    ] = 0


class Console(Notifier):
    """Writes a line for every telling: time, severity, type, entity, what happened, how often.

    stream: where to (standard output). Everything in the line is made safe for a terminal.
    """

    Settings = Settings
    enabled_by_default = True

    def __init__(self, stream: TextIO | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._stream = stream

    def notify(self, event: Event) -> None:
        """Write the line of one event."""
        stream = self._stream or sys.stdout
        terminal = stream.isatty()
        line = _line(event)
        if width := self.settings.width or (_columns() if terminal else 0):
            line = fitted(line, width)
        line = _encodable(line, stream)
        if self._coloured(terminal):
            colour = COLOURS.get(str(event.get("severity")), "0")
            line = f"\x1b[{colour}m{line}\x1b[0m"
        stream.write(line + "\n")
        stream.flush()

    def _coloured(self, terminal: bool) -> bool:
        if self.settings.colour != "auto":
            return bool(self.settings.colour == "always")
        if os.environ.get("NO_COLOR"):
            return False
        return terminal or os.environ.get("FORCE_COLOR", "") not in ("", "0")


def _line(event: Event) -> str:
    details = event.get("details")
    details = details if isinstance(details, Mapping) else {}
    count = details.get("count", 1)
    text, entity = terminal_safe(details.get("description", "")), _entity(details)
    parts = [
        _clock(event),
        f"{terminal_safe(event.get('severity', ''), 8):<8}",
        f"{terminal_safe(event.get('type', ''), 100):<16}",
        "" if entity.partition(" ")[0] in text else entity,  # said once is enough
        text,
        f"\N{MULTIPLICATION SIGN}{terminal_safe(count, 12)}" if count != 1 else "",
    ]
    return "  ".join(part for part in parts if part).rstrip()


def _entity(details: Mapping[str, Any]) -> str:
    named = [details.get(key) for key in ("ip", "user", "path") if details.get(key)]
    blamed = terminal_safe(named[0], 200) if named else ""
    target = terminal_safe(details.get("target") or "", 200)
    return f"{blamed} → {target}" if blamed and target else blamed or target


def _clock(event: Event) -> str:
    try:
        moment = datetime.fromtimestamp(event.time_ns / 1e9, UTC).astimezone()
    except (ValueError, OverflowError, OSError, TypeError, KeyError):
        return "--:--:--"
    return moment.strftime("%H:%M:%S")


def _columns() -> int:
    """Columns of the terminal; 0 where unknown, or so few that a cut line would say nothing."""
    columns = shutil.get_terminal_size((0, 0)).columns
    return columns if columns >= NARROW else 0


def _encodable(line: str, stream: TextIO) -> str:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return line.encode(encoding, "backslashreplace").decode(encoding)
