"""A batch on its way through several requests: cut by size, split where a piece is at fault.

A post says what became of its piece by returning (taken), by `SinkError` (to be offered again, with
all that comes after) or by `PieceError` (the piece is at fault: it is halved until the one event is
found that the peer cannot take, which is rejected).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from mlids.errors import SinkError


class PieceError(Exception):
    """The peer finds fault with a piece; index: the position that it named, None for none."""

    def __init__(self, message: str, index: int | None = None) -> None:
        super().__init__(message)
        self.index = index


class Bulk:
    """The encoded events of one batch; `refuse` and `reject` name positions in it.

    max_bytes: a piece is no larger, unless it is one event.
    """

    def __init__(self, lines: Sequence[bytes], max_bytes: int) -> None:
        self.lines = lines
        self.refused: list[int] = []
        self.rejected: list[int] = []
        self._why = ""
        self._wait_s: float | None = None
        self._pieces = deque(_pieces([len(line) for line in lines], max_bytes))

    def send(self, post: Callable[[list[int]], None]) -> None:
        """Post piece by piece, in order. Raises `SinkError` where not everything was taken."""
        while self._pieces:
            piece = self._pieces.popleft()
            try:
                post(piece)
            except PieceError as error:
                self._split(piece, error)
            except SinkError as error:
                self.refuse([*piece, *(n for rest in self._pieces for n in rest)], error.message)
                self._wait_s = error.wait_s
                break
        if self.refused or self.rejected:
            raise SinkError(self._why, self.refused, self.rejected, self._wait_s)

    def body(self, piece: Sequence[int]) -> bytes:
        """What a piece holds."""
        return b"".join(self.lines[n] for n in piece)

    def refuse(self, positions: Sequence[int], why: str) -> None:
        """These are to be offered again."""
        self.refused += positions
        self._why = why

    def reject(self, positions: Sequence[int], why: str) -> None:
        """These the peer will never take."""
        self.rejected += positions
        self._why = self._why or why

    def _split(self, piece: list[int], error: PieceError) -> None:
        if error.index is not None and 0 <= error.index < len(piece):
            self.reject([piece[error.index]], str(error))
            rest = piece[: error.index] + piece[error.index + 1 :]
            self._pieces.extendleft([rest] if rest else [])
        elif len(piece) == 1:
            self.reject(piece, str(error))
        else:
            half = len(piece) // 2
            self._pieces.extendleft([piece[half:], piece[:half]])


def _pieces(sizes: Sequence[int], max_bytes: int) -> list[list[int]]:
    pieces: list[list[int]] = []
    room = 0
    for position, size in enumerate(sizes):
        if not pieces or size > room:
            pieces.append([])
            room = max_bytes
        pieces[-1].append(position)
        room -= size
    return pieces
