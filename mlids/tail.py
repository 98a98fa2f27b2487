"""Stored events as they come, across rotation."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from mlids import segments
from mlids.events import Event
from mlids.proofs import claimed
from mlids.records import read


class Tail:
    """Follows the store in a folder from its present end on, while another process writes it.

    Numbers of the chain say what was seen, so nothing is given twice and nothing is passed over
    however often the file was rotated meanwhile.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen = 0
        self._file: IO[bytes] | None = None
        self._known = set(segments.sealed(folder))
        for _ in self._new():
            pass

    def follow(self, wait: Callable[[], bool]) -> Iterator[Event]:
        """New events; wait: called where there are none for now, ends it by returning True."""
        while True:
            yield from self._new()
            if wait():
                return

    def _new(self) -> Iterator[Event]:
        yield from self._rest()
        if not self._rotated():
            return
        sealed, stream = segments.listed(self.folder)  # at one moment: nothing is between them
        for path in sealed:
            if path not in self._known:
                yield from self._events(segments.lines(path))
                self._known.add(path)
        if self._file:
            self._file.close()
        self._file = stream
        yield from self._rest()

    def _rest(self) -> Iterator[Event]:
        """What came behind the place that was reached in the open file."""
        if self._file is None:
            return
        while line := self._file.readline():
            if not line.endswith(b"\n"):  # it is being written
                self._file.seek(-len(line), 1)
                return
            yield from self._events(iter([line]))

    def _events(self, lines: Iterator[bytes]) -> Iterator[Event]:
        for line in lines:
            link = claimed(line)
            if link and link.seq <= self._seen:
                continue
            self._seen = link.seq if link else self._seen
            if event := read(line):
                yield event

    def _rotated(self) -> bool:
        if self._file is None:
            return True
        try:
            now = (self.folder / segments.OPEN).stat()
        except FileNotFoundError:
            return False
        return not os.path.samestat(now, os.fstat(self._file.fileno()))
