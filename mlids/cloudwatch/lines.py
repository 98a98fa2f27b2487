"""Events of a log group as lines: batches of one stream each, with format, ledger and time.

An event is a line, whatever line ends are in it; its time is that of the line, where that tells
none. Streams that were written at once take turns, so that what happened first comes first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from mlids.batches import LineBatch
from mlids.cloudwatch.answers import LogEvent
from mlids.encoders import terminal_safe
from mlids.lines.chunks import line_bounds
from mlids.lines.recognition import Formats, Ledger, Recognition, chosen_for

NS = 1_000_000  # of a millisecond
GRAIN_MS = 1000  # streams take turns of so long: far below every window, and no batch a line
LINES = 16_384  # of all batches that are made at once
CHARACTERS = 1 << 20
KEPT = 1000  # streams whose format and line numbers are kept


class StreamLines:
    """The streams of one group.

    chosen: the name of the format of all; by_path: of those whose ``group/stream`` fits a glob.
    max_line: bytes; longer lines are left out and counted; ledger: where lines are counted. Raises
    `MLIDSError` E002 where there is no format of that name.
    """

    def __init__(
        self,
        group: str,
        formats: Formats,
        chosen: str = "",
        by_path: Mapping[str, str] | None = None,
        max_line: int = 65536,
        ledger: Ledger | None = None,
    ) -> None:
        self.group = group
        self.ledger = ledger or Ledger()
        self._formats, self._chosen, self._by_path = formats, chosen, dict(by_path or {})
        for name in {chosen, *self._by_path.values()} - {""}:
            formats.made(name)
        self._max_line = max_line
        self._streams: OrderedDict[str, _Stream] = OrderedDict()
        self._likely = ""  # the format of the stream before: mostly all of a group have the same

    def batches(
        self, events: Iterable[LogEvent], clock: Callable[[], int] | None = None
    ) -> Iterator[LineBatch]:
        """The lines of events, which are sorted by time.

        clock: gives ns since 1970, when they arrive; None: they are read long after they were
        written, which was when their stamps say.
        """
        held: dict[str, list[LogEvent]] = {}
        count = characters = 0
        until: int | None = None  # the end of a turn; one stream alone needs none
        for event in events:
            name = event.log_stream_name
            is_over = until is not None and event.timestamp >= until
            if is_over or count >= LINES or characters >= CHARACTERS:
                yield from self._made(held, clock)
                held, count, characters, until = {}, 0, 0, None
            if held and until is None and name not in held:
                until = event.timestamp + GRAIN_MS
            held.setdefault(name, []).append(event)
            count += 1
            characters += len(event.message)
        yield from self._made(held, clock)

    def _made(
        self, held: dict[str, list[LogEvent]], clock: Callable[[], int] | None
    ) -> Iterator[LineBatch]:
        for name, events in held.items():
            written = clock() if clock else events[-1].timestamp * NS
            batch, rejected = self._of(name).batch(events, written, self._max_line)
            known = self._streams[name].recognition
            batch, matched = known.recognised(batch)
            self._likely = known.name
            self.ledger.add(len(batch), matched, rejected)
            if len(batch):
                yield batch

    def _of(self, name: str) -> _Stream:
        known = self._streams.pop(name, None)
        if known is None:
            path = f"{self.group}/{name}"
            chosen = chosen_for(path, self._by_path, self._chosen)
            recognition = Recognition(self._formats, chosen, self._likely)
            known = _Stream(f"cloudwatch {terminal_safe(path)}", recognition)
        self._streams[name] = known
        if len(self._streams) > KEPT:
            self._streams.popitem(last=False)
        return known


class _Stream:
    """One stream: its format, and how many lines and bytes of it there were."""

    def __init__(self, source: str, recognition: Recognition) -> None:
        self.source = source
        self.recognition = recognition
        self.lines = self.bytes = 0

    def batch(self, events: list[LogEvent], written: int, max_line: int) -> tuple[LineBatch, int]:
        """The lines of events, and how many were left out."""
        lines = [_line(event.message) for event in events]
        fits = np.fromiter((len(line) <= max_line for line in lines), np.bool_, len(lines))
        numbers = np.arange(self.lines + 1, self.lines + 1 + len(lines), dtype=np.int64)[fits]
        stamps = np.array([event.timestamp for event in events], dtype=np.int64)[fits] * NS
        data = b"".join([line + b"\n" for line in lines if len(line) <= max_line])
        starts, ends = line_bounds(data)
        batch = LineBatch(
            data,
            starts,
            ends,
            numbers,
            source=self.source,
            base=self.bytes,
            written=written,
            stamps=stamps,
        )
        self.lines += len(lines)
        self.bytes += len(data)
        return batch, len(lines) - len(numbers)


def _line(message: str) -> bytes:
    """A message on one line; line ends within it are shown as escapes, those behind it not."""
    text = message.rstrip("\r\n")
    if "\n" in text or "\r" in text:
        text = text.replace("\r", "\\r").replace("\n", "\\n")
    return text.encode("utf-8", "backslashreplace")
