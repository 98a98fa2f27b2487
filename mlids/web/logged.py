"""Requests that log lines tell of: which are worth a closer look, and what is found in them.

Any format serves that has the columns `target` and `status` (or `method`). What is found is a pure
function of the lines, so all detectors of web attacks share it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlids.logins.records import source, text
from mlids.web import screening
from mlids.web.matching import Verdict, matcher
from mlids.web.requests import Request, request

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import LineBatch

SAMPLED = 64  # of the other lines one in so many tells what answers are usual


class Logged(NamedTuple):
    """One request. src: the client's address, or "" where a name stands in its place (`peer`).

    status, size: 0 and -1 where they are not known; verdict: None for lines that were only sampled.
    """

    row: int
    time_ns: int
    src: str
    peer: str
    user: str
    host: str
    method: str
    target: bytes
    status: int
    size: int
    verdict: Verdict | None

    @property
    def path(self) -> bytes:
        """The target without its query."""
        return self.target.partition(b"?")[0]


def requests(batch: LineBatch) -> list[Logged]:
    """The requests of a batch with something found in them, and a sample of the others, in order.

    Kept in the batch's memo; nothing for formats that tell of no requests.
    """
    if "requests" not in batch.memo:
        batch.memo["requests"] = _requests(batch) if tells_requests(batch) else []
    known: list[Logged] = batch.memo["requests"]
    return known


def tells_requests(batch: LineBatch) -> bool:
    """Whether the lines of a batch can be requests."""
    return bool(len(batch)) and batch.format is not None and "target" in batch.format.column_names


def _requests(batch: LineBatch) -> list[Logged]:
    suspects = _suspects(batch)
    sampled = np.flatnonzero(batch.numbers % SAMPLED == 0)
    rows = np.union1d(suspects, sampled)
    narrow = batch.take(rows)
    columns = Columns(narrow)
    closer = np.isin(rows, suspects).tolist()
    found = []
    for at, row in enumerate(rows.tolist()):
        if columns["target"][at] is None:
            continue
        verdict = matcher().examine(_request(columns, at)) if closer[at] else None
        if verdict is None or verdict:
            found.append(_logged(columns, at, row, verdict))
    return found


def _suspects(batch: LineBatch) -> NDArray[np.intp]:
    """Rows with a sign of something in them."""
    data, offset = batch.span()
    places = screening.places(data) + offset
    rows = np.searchsorted(batch.starts, places, "right") - 1
    inside = (rows >= 0) & (places < batch.ends[np.maximum(rows, 0)])
    return np.unique(rows[inside])


class Columns(dict[str, Any]):
    """Columns of a batch by name; those that its format does not know are empty."""

    def __init__(self, batch: LineBatch) -> None:
        super().__init__()
        assert batch.format
        self._batch = batch
        self._known = batch.format.column_names
        self._none: list[bytes | None] = [None] * len(batch)
        stamps: list[int] = batch.column("time").tolist()
        self.times = [stamp or batch.written for stamp in stamps]  # ns since 1970

    def __missing__(self, name: str) -> Any:
        self[name] = self._batch.column(name) if name in self._known else self._none
        return self[name]


def requested(batch: LineBatch) -> Request | None:
    """The request that the first line of a batch tells of."""
    columns = Columns(batch)
    return _request(columns, 0) if columns["target"][0] is not None else None


def _request(columns: Columns, at: int) -> Request:
    return request(
        columns["method"][at] or b"",
        columns["target"][at],
        cookies=columns["cookies"][at] or b"",
        referrer=columns["referrer"][at] or b"",
        agent=columns["agent"][at] or b"",
        body=columns["body"][at] or b"",
    )


def _logged(columns: Columns, at: int, row: int, verdict: Verdict | None) -> Logged:
    address, peer, _ = source(columns["src"][at] or b"")
    status, size = columns["status"][at] or b"", columns["size"][at] or b""
    return Logged(
        row,
        columns.times[at],
        address,
        peer,
        text(columns["user"][at]),
        text(columns["vhost"][at] or columns["host"][at]),
        text(columns["method"][at]),
        columns["target"][at],
        int(status) if status.isdigit() and len(status) < 4 else 0,
        int(size) if size.isdigit() and len(size) < 16 else -1,
        verdict,
    )
