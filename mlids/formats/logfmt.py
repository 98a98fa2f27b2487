"""logfmt: lines of key=value, as Go programs, Heroku, Traefik, Grafana and many others write."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.batches import LineBatch, LogFormat
from mlids.layouts import fields, keyvalue
from mlids.layouts.json_records import decoded, sample
from mlids.lines import chunks, stamps

if TYPE_CHECKING:
    from numpy.typing import NDArray

CERTAINTY = 0.6
KEY_WIDTH = 40  # bytes in which the first key ends
FEWEST = 3  # pairs of a line that is called logfmt
_FIRST = re.compile(rb"\s*[A-Za-z_@][\w.@/-]{0,38}=")


class Logfmt(LogFormat):
    """Columns by configurable names, those of JSON lines."""

    Settings = fields.Names

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        stamps.check_zone(self.settings.timezone)
        self._reader = fields.Reader(self.settings)

    def sniff(self, chunk: bytes) -> float:
        """The share of lines that begin with a pair and have three or more."""
        lines = sample(chunk)
        known = sum(bool(_FIRST.match(line)) and len(_record(line)) >= FEWEST for line in lines)
        return CERTAINTY * known / len(lines) if lines else 0.0

    def recognised(self, batch: LineBatch) -> NDArray[np.bool_]:
        """Lines whose first mark that belongs to no key is an equals sign behind one."""
        head = chunks.heads(batch, KEY_WIDTH)
        lower = head | 0x20
        letter = (lower >= ord("a")) & (lower <= ord("z"))
        digit = (head >= ord("0")) & (head <= ord("9"))
        key = letter | digit | np.isin(head, np.frombuffer(b"_@.-/", dtype=np.uint8))
        ends = (~key).argmax(axis=1)
        begins = letter[:, 0] | (head[:, 0] == ord("_")) | (head[:, 0] == ord("@"))
        known: NDArray[np.bool_] = begins & (head[np.arange(len(batch)), ends] == ord("="))
        return known

    def records(self, batch: LineBatch) -> Sequence[Mapping[str, Any]]:
        """The pairs of each line; of a key that comes twice the first counts."""
        return [_record(batch.line(row)) for row in range(len(batch))]

    def parse(self, batch: LineBatch) -> dict[str, Any]:
        """The columns of these lines."""
        return self._reader.columns(decoded(self, batch))


def _record(line: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in keyvalue.pairs(line.decode("utf-8", "replace")):
        found.setdefault(key, value)
    return found
