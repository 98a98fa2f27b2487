"""How far a backtest has come; whoever shows it asks from another thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
Asked = Callable[[], tuple[int, int]]


class Progress:
    """`phase` in words; called, it gives what is done and what there is of it (0: unknown).

    Stored events are counted, files measured in bytes.
    """

    def __init__(self) -> None:
        self.phase = ""
        self._count, self._of = 0, 0
        self._files: Asked | None = None

    def __call__(self) -> tuple[int, int]:
        """What is done, and what there is of it."""
        files = self._files
        return files() if files else (self._count, self._of)

    def begin(self, phase: str, of: int = 0, files: Asked | None = None) -> None:
        """The next phase; files: who is asked for its bytes."""
        self.phase, self._count, self._of, self._files = phase, 0, of, files

    def counted(self, found: Iterable[T]) -> Iterator[T]:
        """The same things, each counted as it passes."""
        for one in found:
            self._count += 1
            yield one
