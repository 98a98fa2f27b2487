"""An application's own lines: a time somewhere near the beginning, and text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.batches import LineBatch, LogFormat
from mlids.layouts import moments
from mlids.layouts.syslog import Zoned
from mlids.lines import chunks, stamps

if TYPE_CHECKING:
    from numpy.typing import NDArray

LAST_RESORT = 0.5  # any text may be of an application
SAMPLE = 65536
COLON, ZERO, NINE = 58, 48, 57


class App(LogFormat):
    """Columns: time (0 where no stamp is known), message (the whole line)."""

    Settings = Zoned
    last_resort = True

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._zone = stamps.check_zone(self.settings.timezone)

    def sniff(self, chunk: bytes) -> float:
        """The last resort of any text; a little more where most lines have a time."""
        head = chunk[:SAMPLE]
        lines = [line for line in head.splitlines()[:200] if line]
        if b"\x00" in head or not lines:
            return 0.0
        return LAST_RESORT + 0.05 * sum(map(moments.stamped, lines)) / len(lines)

    def recognised(self, batch: LineBatch) -> NDArray[np.bool_]:
        """Lines with a time of day near their beginning."""
        head = chunks.heads(batch, moments.HEAD)
        colon = head == COLON
        digit = (head >= ZERO) & (head <= NINE)
        clock = digit[:, :-6] & colon[:, 1:-5] & digit[:, 2:-4] & digit[:, 3:-3]
        clock &= colon[:, 4:-2] & digit[:, 5:-1] & digit[:, 6:]
        known: NDArray[np.bool_] = clock.any(axis=1)
        return known

    def parse(self, batch: LineBatch) -> dict[str, Any]:
        """The columns of these lines."""
        lines = [batch.line(row) for row in range(len(batch))]
        return {"time": moments.times(batch, self._zone), "message": lines}
