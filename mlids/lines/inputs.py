"""The inputs of a log monitor: each with its format and its ledger, as the operator sees them."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlids.batches import InputStatus, LineBatch
from mlids.errors import MLIDSError
from mlids.lines.cutting import Cut
from mlids.lines.downloaded import as_written, is_download
from mlids.lines.recognition import Formats, Ledger, Recognition, chosen_for

if TYPE_CHECKING:
    from mlids.lines.following import Followed

SHOWN = 30  # files of folders and globs that are shown one by one; the others in one sum
KEPT = 20_000  # inputs whose format and ledger are kept; the oldest go into the sum


class LogInput:
    """One path: its format and its ledger."""

    def __init__(self, path: str, recognition: Recognition, pattern: str = "") -> None:
        self.path = path
        self.pattern = pattern
        self.state, self.note = "waiting", ""
        self.ledger = Ledger()
        self.counts = self.ledger.counts
        self.recognition = recognition
        self._is_download = is_download(path)

    def batch(self, cut: Cut, written: int) -> LineBatch:
        """The lines with their format, counted. written: ns by which they were written."""
        batch = LineBatch(
            data=cut.data,
            starts=cut.starts,
            ends=cut.ends,
            numbers=cut.numbers,
            source=self.path,
            base=cut.base,
            written=written,
        )
        if self._is_download:
            batch = as_written(batch)
        batch, matched = self.recognition.recognised(batch)
        self.ledger.add(len(batch), matched, cut.rejected)
        return batch

    def fail(self, error: MLIDSError) -> None:
        """It cannot be read, or not to its end."""
        self.state, self.note = "failed", error.message

    def status(self, followed: Followed | None) -> InputStatus:
        """How it fares."""
        counts, state, note = dict(self.counts), self.state, self.note
        if followed is not None:
            counts["gaps"] = followed.gaps
            state, note = followed.state, followed.note
        return InputStatus(self.path, "log", state, note, counts)


class Inputs:
    """All inputs of one monitor.

    chosen: the name of the format of all, by_path: of those that fit a path or glob. Raises
    `MLIDSError` E002 where there is no format of that name.
    """

    def __init__(
        self, formats: Formats, chosen: str = "", by_path: Mapping[str, str] | None = None
    ) -> None:
        self._formats, self._chosen, self._by_path = formats, chosen, dict(by_path or {})
        for name in {chosen, *self._by_path.values()} - {""}:
            formats.made(name)
        self._known: dict[str, LogInput] = {}
        self._sums: dict[str, Ledger] = {}  # by pattern, of those that are no longer kept
        self._lock = threading.Lock()  # they are shown from other threads

    def of(self, path: str, pattern: str = "") -> LogInput:
        """The input of a path; pattern: that led to it."""
        known = self._known.get(path)
        if known is None:
            name = chosen_for(path, self._by_path, self._chosen)
            known = LogInput(path, Recognition(self._formats, name), pattern)
            with self._lock:
                if len(self._known) >= KEPT:
                    self._forget()
                self._known[path] = known
        return known

    def _forget(self) -> None:
        oldest = next((one for one in self._known.values() if one.pattern), None)
        if oldest is not None:
            self._sums.setdefault(oldest.pattern, Ledger()).fold(oldest.ledger)
            del self._known[oldest.path]

    def statuses(
        self, followed: Mapping[str, Followed], patterns: tuple[str, ...] = ()
    ) -> list[InputStatus]:
        """Each input, and for each pattern what is not shown one by one, in one sum.

        followed: how the files fare, by path.
        """
        with self._lock:
            known = list(self._known.values())
            sums = {name: Ledger() for name in patterns}
            for name, ledger in self._sums.items():
                sums.setdefault(name, Ledger()).fold(ledger)
        files, shown = defaultdict[str, int](int), list[InputStatus]()
        for file in dict(followed).values():
            files[file.pattern] += not file.gone
        room = SHOWN
        for one in known:
            place = followed.get(one.path)
            if one.pattern and (not room or place is None or place.gone):
                sums.setdefault(one.pattern, Ledger()).fold(one.ledger)
                continue
            room -= bool(one.pattern)
            shown.append(one.status(place))
        for name, ledger in sums.items():
            note = f"{files[name]:,} files" if files[name] else "no log there yet"
            state = "ok" if files[name] else "waiting"
            shown.append(InputStatus(name, "log", state, note, ledger.counts))
        return shown
