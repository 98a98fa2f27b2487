"""Reading the JSON lines themselves, and what could not be read of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO

import msgspec

from mlids import segments
from mlids.columns.companions import Head
from mlids.errors import MLIDSError
from mlids.events import Event
from mlids.records import read

EXAMPLES = 20


class Flaws(msgspec.Struct):
    """What could not be read of one file: lines that are no events, the first of them, a last line
    without an end, and why a segment could not be read to its end.
    """

    broken: int = 0
    first: int = 0
    torn: bool = False
    damage: str = ""

    def examples(self, name: str) -> Iterator[str]:
        """Where, and what, in words."""
        if self.broken:
            more = f", and {self.broken - 1:,} more lines of it" if self.broken > 1 else ""
            yield f"{name}: line {self.first} is no event{more}"
        if self.torn:
            yield f"{name}: its last line has no end"
        if self.damage:
            yield self.damage


class LeftOut:
    """What answers do not rest on, since it could not be read; by file, however often it is read.

    torn: last lines without an end; broken: lines that are no events; damaged: segments that could
    not be read to their end.
    """

    def __init__(self) -> None:
        self._files: dict[str, Flaws] = {}

    def __bool__(self) -> bool:
        return bool(self._files)

    @property
    def torn(self) -> int:
        """Files whose last line has no end."""
        return sum(flaws.torn for flaws in self._files.values())

    @property
    def broken(self) -> int:
        """Lines that are no events."""
        return sum(flaws.broken for flaws in self._files.values())

    @property
    def damaged(self) -> int:
        """Files that could not be read to their end."""
        return sum(bool(flaws.damage) for flaws in self._files.values())

    @property
    def examples(self) -> list[str]:
        """Where, and what, of the first files."""
        told = (text for name, flaws in self._files.items() for text in flaws.examples(name))
        return list(islice(told, EXAMPLES))

    def note(self, name: str, flaws: Flaws) -> None:
        """What was found in a file; one that was read further before is known better."""
        known = self._files.get(name, Flaws())
        if flaws != Flaws() and flaws.broken >= known.broken:
            self._files[name] = flaws

    def note_head(self, known: Head) -> None:
        """What a builder could not read of a segment."""
        flaws = Flaws(known.broken, known.first_broken, damage=known.damage)
        self.note(known.segment, flaws)


def numbered(
    path: Path, left_out: LeftOut, stream: IO[bytes] | None = None
) -> Iterator[tuple[int, Event]]:
    """The events of one file with their line numbers, from 1.

    stream: the file, where it is open already; it is closed behind the last event.

    Nothing comes of a file that vanished, and no more of a segment behind what cannot be read.
    Raises `MLIDSError` E004 where the open file cannot be read.
    """
    flaws = Flaws()
    try:
        for number, line in enumerate(stream or segments.lines(path), 1):
            if not line.endswith(b"\n"):
                flaws.torn = True
                break  # what is written behind it meanwhile would not begin a line
            event = read(line)
            if event is not None:
                yield number, event
            else:
                flaws.broken += 1
                flaws.first = flaws.first or number
    except FileNotFoundError:
        return
    except EOFError as error:
        flaws.damage = str(error)
    except OSError as error:
        flaws.damage = f"{path}: {error.strerror}"
        if path.name == segments.OPEN:
            raise MLIDSError("E004", flaws.damage) from error
    finally:
        left_out.note(path.name, flaws)
        if stream:
            stream.close()
