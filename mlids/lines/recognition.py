"""Which format the lines of an input have, and the ledger of what was read of it.

A format that the user names stays. Otherwise the likeliest one is taken, and looked for again where
it knows less than half of the lines of a batch; since asking all formats takes milliseconds, the
looks become rarer as long as they find nothing better.
"""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from mlids.batches import LineBatch, LogFormat
from mlids.errors import MLIDSError

_log = logging.getLogger(__name__)
SNIFFED = 65536  # bytes at the beginning of a batch by which its format is told
LIKELY = 0.2  # from here on a format is taken: stack traces and the like stand between its lines
LEAST_LIKELY = 0.5  # from here on one of last resort
LOST = 200  # lines in a row that a format does not know, before one of last resort takes its place
ENOUGH = 0.5  # share of the lines that a format must know to be left alone
RAREST = 256  # batches between two looks that found nothing better, at most
OFTEN = 7  # the same, as long as no format is known: what is written meanwhile is not understood
SMALL = 64  # lines that are looked at in any case: it takes less than a millisecond


class Formats:
    """The formats that lines may have; `make` builds a fresh one by its name."""

    def __init__(self, names: Sequence[str], make: Callable[[str], LogFormat]) -> None:
        self.names = tuple(names)
        self._make = make
        self._asked: dict[str, LogFormat] = {}  # one of each, to be asked

    def made(self, name: str) -> LogFormat:
        """A format of its own for an input. Raises `MLIDSError` E002 where there is none."""
        if name not in self.names:
            raise MLIDSError("E002", f"there is no log format {name!r}")
        return self._make(name)

    def scores(self, chunk: bytes) -> dict[str, float]:
        """How likely the chunk is of each format, 0 to 1."""
        if not self._asked:
            self._asked = {name: self._make(name) for name in self.names}
        return {name: _score(known, chunk) for name, known in self._asked.items()}

    def likeliest(self, chunk: bytes) -> str:
        """The name of the format that the chunk most likely has, "" where none is likely."""
        scores = self.scores(chunk)
        named = {n: score for n, score in scores.items() if not self._asked[n].last_resort}
        best = max(named, key=lambda name: named[name], default="")
        if best and named[best] >= LIKELY:
            return best
        best = max(scores, key=lambda name: scores[name], default="")
        return best if best and scores[best] >= LEAST_LIKELY else ""


def _score(known: LogFormat, chunk: bytes) -> float:
    try:
        return known.sniff(chunk)
    except Exception:  # a format of somebody else's must not cost the input
        _log.exception("format %s cannot tell whether lines are its own", known.name)
        return 0.0


class Ledger:
    """What became of the lines of one input: read = matched + unmatched + rejected."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(("read", "matched", "unmatched", "rejected"), 0)

    def add(self, lines: int, matched: int, rejected: int = 0) -> None:
        """Count lines that were passed on, how many the format knew, and those left out."""
        counts = self.counts
        counts["read"] += lines + rejected
        counts["matched"] += matched
        counts["unmatched"] += lines - matched
        counts["rejected"] += rejected

    def fold(self, other: Ledger) -> None:
        """Add another input's ledger to this one."""
        for name, count in other.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count


class Recognition:
    """Finds and keeps the format of one input.

    chosen: its name where the user says it, then nothing is looked for; likely: the one that is
    tried first. Raises `MLIDSError` E002 where there is no format of that name.
    """

    def __init__(self, formats: Formats, chosen: str = "", likely: str = "") -> None:
        self._formats = formats
        self._chosen = bool(chosen)
        self.name = chosen or likely
        self.format = formats.made(self.name) if self.name else None
        self._pause = self._skipped = self._unknown = 0

    def recognised(self, batch: LineBatch) -> tuple[LineBatch, int]:
        """The batch with its format, and how many of its lines that format knows."""
        batch = replace(batch, format=self.format, memo={})
        matched = _matched(batch)
        self._unknown = 0 if matched else self._unknown + len(batch)
        if self._chosen or not len(batch) or self._is_enough(matched, len(batch)):
            return batch, matched
        if self._skipped < self._pause and len(batch) > SMALL:
            self._skipped += 1
            return batch, matched
        name, other = self._other(batch)
        number = _matched(other) if other is not None else 0
        if other is None or not self._is_better(other, number, matched):
            rarest = OFTEN if self.format is None or self.format.last_resort else RAREST
            self._pause, self._skipped = min(2 * self._pause + 1, rarest), 0
            return batch, matched
        self.name, self.format, self._pause, self._unknown = name, other.format, 0, 0
        return other, number

    def _is_enough(self, matched: int, lines: int) -> bool:
        """Whether the format need not be doubted; one of last resort always is."""
        last = self.format is None or self.format.last_resort
        return not last and matched >= ENOUGH * lines

    def _is_better(self, other: LineBatch, number: int, matched: int) -> bool:
        """Whether another format takes the place of this one, by the lines that each knows."""
        assert other.format
        if self.format is None:
            return True
        if other.format.last_resort:
            return self._unknown >= LOST
        return number > (0 if self.format.last_resort else matched)

    def _other(self, batch: LineBatch) -> tuple[str, LineBatch | None]:
        """The format that a batch most likely has, and the batch with it; None: no other one."""
        name = self._formats.likeliest(_sample(batch))
        if not name or name == self.name:
            return name, None
        return name, replace(batch, format=self._formats.made(name), memo={})


def _sample(batch: LineBatch) -> bytes:
    """The first lines of a batch, without what was in front of them in a download."""
    begin = int(batch.starts[0])
    if batch.stamps is None:
        return batch.data[begin : begin + SNIFFED]
    count = int(np.searchsorted(batch.ends, begin + SNIFFED, side="right"))
    return b"\n".join([batch.line(row) for row in range(max(1, count))]) + b"\n"


def _matched(batch: LineBatch) -> int:
    if batch.format is None or not len(batch):
        return 0
    try:
        return int(batch.format.recognised(batch).sum())
    except Exception:
        _log.exception("format %s cannot tell which lines are its own", batch.format.name)
        return 0


def chosen_for(path: str, by_path: Mapping[str, str], otherwise: str) -> str:
    """The name of the format that the user set for a path, by the first glob that fits it.

    A glob without a slash is held against the file's name; ``*`` and ``**`` match any folders.
    """
    name = path.rpartition("/")[2]
    for glob, found in by_path.items():
        held = path if "/" in glob else name
        if any(fnmatch.fnmatchcase(held, one) for one in (glob, glob.replace("**/", ""))):
            return found
    return otherwise
