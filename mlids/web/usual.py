"""What a server usually answers: sizes by path, by which an answer to an attack is judged.

An attack that is answered as everything on that path is (a search page that finds nothing) did not
work; one that is answered with 200 and another size, or where nothing is known, may have.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Any, NamedTuple

from mlids.web.matching import Finding

KEPT = 9  # sizes of a path
LEAST = 3  # sizes that tell what is usual
PATHS = 2000
SLACK = 64  # bytes that answers differ by in any case
SHARE = 0.2  # and this much of the usual size: the same page with other words in it
LONGEST = 512  # bytes of a path that is remembered


class Answer(NamedTuple):
    """How an attack was answered. worked: likely, unlikely or unknown; usual: bytes, -1 unknown."""

    worked: str
    why: str
    usual: int


class Sizes:
    """The latest sizes of successful answers by path; at most `paths`, the quiet ones go."""

    def __init__(self, paths: int = PATHS) -> None:
        self.paths = paths
        self._sizes: dict[bytes, list[int]] = {}

    def add(self, path: bytes, status: int, size: int) -> None:
        """Note an answer to a request without findings."""
        if size < 0 or not 200 <= status < 300 or len(path) > LONGEST:
            return
        known = self._sizes.pop(path, [])
        self._sizes[path] = [*known, size][-KEPT:]
        if len(self._sizes) > self.paths:
            del self._sizes[next(iter(self._sizes))]

    def judge(self, path: bytes, status: int, size: int) -> Answer:
        """What an answer to an attack says of its success."""
        sizes = self._sizes.get(path, [])
        usual = int(median(sizes)) if len(sizes) >= LEAST else -1
        if not status:
            return Answer("unknown", "the log does not tell the answer", usual)
        if not 200 <= status < 300:
            return Answer("unlikely", f"the server answered {status}", usual)
        if usual >= 0 and size >= 0 and abs(size - usual) <= max(SLACK, SHARE * usual):
            why = f"the server answered {status} with {size} bytes, as usual there ({usual})"
            return Answer("unlikely", why, usual)
        other = f", usually {usual}" if usual >= 0 else ""
        with_size = f" with {size} bytes{other}" if size >= 0 else ""
        return Answer("likely", f"the server answered {status}{with_size}, as if it worked", usual)

    def save(self) -> list[Any]:
        """The state, as plain data."""
        return list(self._sizes.items())

    def restore(self, state: Iterable[Any]) -> None:
        """Take up a state that `save` gave."""
        self._sizes = dict(state)


def severity(finding: Finding, answer: Answer) -> str:
    """HIGH where an attack seems to have worked, else MEDIUM."""
    return "HIGH" if answer.worked == "likely" and finding.serious else "MEDIUM"
