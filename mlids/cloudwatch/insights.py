"""Logs Insights: a query that AWS runs over whole log groups.

Source: the CloudWatch Logs API reference (StartQuery, GetQueryResults, StopQuery).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mlids.cloudwatch.access import Access
from mlids.errors import MLIDSError

LIMIT = 1000  # rows, where nothing else is said
MOST = 100_000  # rows of one query; AWS gives 10,000 in one answer

_FIRST_PAUSE_S, _LAST_PAUSE_S, _GROWTH = 0.2, 5.0, 1.5
_UNDER_WAY = frozenset({"Scheduled", "Running", "Unknown"})
_POINTER = "@ptr"  # leads to the whole event inside AWS; nobody can read it


class Query:
    """One query over [start, end), ms since 1970; AWS counts whole seconds, so rows may come from
    the rest of the first and last one.

    groups: names, or ARNs. `status` is AWS's word ("Complete"), `statistics` what it looked
    through (recordsMatched, recordsScanned, bytesScanned …). A query that is left before its end,
    by Ctrl-C or `close` from another thread, is stopped, as AWS bills what it scans.
    limit: rows, at most `MOST`.
    """

    def __init__(
        self,
        access: Access,
        groups: Sequence[str],
        text: str,
        start: int,
        end: int,
        limit: int = LIMIT,
        *,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.status = ""
        self.statistics: dict[str, float] = {}
        self._client = access.client
        by_arn = any(group.startswith("arn:") for group in groups)
        self._asked: dict[str, Any] = {
            "logGroupIdentifiers" if by_arn else "logGroupNames": list(groups),
            "queryString": text,
            "startTime": start // 1000,
            "endTime": max(start, end - 1) // 1000,
            "limit": limit,
        }
        self._sleep = sleep
        self._id = ""

    def rows(self) -> list[dict[str, str]]:
        """Run the query and wait for its end: each row is field → text.

        Raises `MLIDSError` E209 where AWS ends it otherwise, and botocore's errors.
        """
        try:
            self._id = self._client.start_query(**self._asked)["queryId"]
            ended = self._ended(self._id)
        except BaseException:
            self.close()
            raise
        id, self._id = self._id, ""
        if self.status != "Complete":
            hint = _HINTS.get(self.status, "")
            raise MLIDSError("E209", f"the query ended as {self.status}", hint)
        return [_row(cells) for cells in self._results(id, ended)]

    def close(self) -> None:
        """Stop the query, if it still runs."""
        from botocore.exceptions import BotoCoreError, ClientError

        id, self._id = self._id, ""
        if id:
            with contextlib.suppress(BotoCoreError, ClientError):  # it may have ended meanwhile
                self._client.stop_query(queryId=id)

    def _ended(self, id: str) -> dict[str, Any]:
        """The last answer; asked for ever less often."""
        pause = _FIRST_PAUSE_S
        while True:
            answer: dict[str, Any] = self._client.get_query_results(queryId=id)
            self.status = answer.get("status", "Unknown")
            self.statistics = answer.get("statistics", {})
            if self.status not in _UNDER_WAY:
                return answer
            self._sleep(pause)
            pause = min(pause * _GROWTH, _LAST_PAUSE_S)

    def _results(self, id: str, answer: dict[str, Any]) -> Iterator[list[dict[str, str]]]:
        """The rows of all pages."""
        tokens: set[str] = set()
        yield from answer.get("results", ())
        while (token := answer.get("nextToken")) and token not in tokens:
            tokens.add(token)
            answer = self._client.get_query_results(queryId=id, nextToken=token)
            yield from answer.get("results", ())


_HINTS = {
    "Timeout": "ask about a shorter period or fewer groups: AWS ends queries after 60 minutes",
    "Cancelled": "somebody stopped it; run it again",
}


def _row(cells: list[dict[str, str]]) -> dict[str, str]:
    return {
        cell["field"]: cell.get("value", "") for cell in cells if cell.get("field", "") != _POINTER
    }
