"""JSON lines of any program: which field is which column can be configured."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.batches import LineBatch
from mlids.layouts import fields
from mlids.layouts.json_records import BRACE, JsonLayout, Record, decode, sample
from mlids.lines import chunks, stamps

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLANKS = 8  # in front of the object, at most
_BEGINS = re.compile(rb'\s{0,8}\{\s{0,8}"(?:[^"\\]|\\.){0,256}"\s{0,8}:')


class JsonLines(JsonLayout):
    """Columns by configurable names: time, message, src, user, outcome, method, target, status …

    Access logs that nginx, Apache, Traefik or Caddy write as JSON have the columns of access logs.
    """

    Settings = fields.Names
    certainty = 0.7

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        stamps.check_zone(self.settings.timezone)
        self._reader = fields.Reader(self.settings)

    def sniff(self, chunk: bytes) -> float:
        """The share of lines that are an object; others know what is in it."""
        lines = sample(chunk)
        known = sum(line.lstrip()[:1] == b"{" and bool(decode(line)) for line in lines)
        if len(lines) == 1 and not chunk.endswith(b"\n"):  # a long one, of which this is a part
            known = bool(_BEGINS.match(lines[0]))
        return self.certainty * known / len(lines) if lines else 0.0

    def recognised(self, batch: LineBatch) -> NDArray[np.bool_]:
        """Lines that begin with a brace."""
        head = chunks.heads(batch, BLANKS)
        solid = (head != ord(" ")) & (head != ord("\t"))
        first = head[np.arange(len(batch)), solid.argmax(axis=1)]
        known: NDArray[np.bool_] = first == BRACE
        return known

    def columns_of(self, records: Sequence[Record]) -> dict[str, Any]:
        """The columns of these objects."""
        return self._reader.columns(records)
