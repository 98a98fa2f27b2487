"""Single pages of a group's events, by whichever call AWS allows.

FilterLogEvents gives each event an id, GetLogEvents does not; so the second is asked only where the
first is denied. Both sort by time, and within one millisecond by when AWS took the events in.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from mlids.cloudwatch import answers, faults
from mlids.cloudwatch.answers import Answer
from mlids.cloudwatch.faults import DENIED, code_of

if TYPE_CHECKING:
    from mlids.cloudwatch.access import Access

MOST = 10_000  # events of a page; AWS gives no more, and no more than 1 MB
ATTEMPTS = 5  # at a page that cannot be read
PAUSE_S = 0.5  # before the second attempt, twice as long before each further one, up to
LONGEST_S = 8.0

Sleep = Callable[[float], Any]


class TokenLost(Exception):  # noqa: N818 - it is a signal
    """The token of a page is of no use any more: the period must be asked for anew."""


class Stopped(Exception):  # noqa: N818 - likewise
    """Whoever reads was told to stop."""


class Reader:
    """Asks for pages of one group.

    filter_pattern: only events that AWS finds it in (then there is no second call to fall back on).
    patience_s: for so long it is asked again where AWS is out of reach, throttles or fails, after
    all that botocore tries by itself (within seconds, and less the more there was to try again).
    stop: once it is set no further page is asked for or handed out, and `Stopped` is raised.
    """

    def __init__(
        self,
        access: Access,
        group: str,
        *,
        filter_pattern: str = "",
        patience_s: float = 0.0,
        stop: threading.Event | None = None,
        sleep: Sleep | None = None,
    ) -> None:
        self.group = group
        self.api = "FilterLogEvents"
        self.stop = stop or threading.Event()
        self._access = access
        self._pattern = filter_pattern
        self._patience_s = patience_s
        self._sleep = sleep or self.stop.wait

    @property
    def ahead_ms(self) -> int:
        """By how much this machine's clock is ahead of AWS's at most."""
        return self._access.ahead_ms

    @property
    def has_ids(self) -> bool:
        """Whether events carry an id, so that one that comes twice can be told."""
        return self.api == "FilterLogEvents"

    def page(self, stream: str | None, start: int, end: int, token: str | None) -> Answer:
        """One page of [start, end) of a stream, or of all streams of the group (None).

        Raises botocore's errors (``ResponseParserError`` where an answer makes no sense however
        often it is asked for), `TokenLost` and `Stopped`.
        """
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        began = time.monotonic()
        for attempt in itertools.count(1):
            if self.stop.is_set():
                raise Stopped
            try:
                answer = self._asked(stream, start, end, token)
            except msgspec.DecodeError as error:
                if attempt >= ATTEMPTS:
                    raise ResponseParserError(str(error)) from error
            except (BotoCoreError, ClientError) as error:
                if time.monotonic() - began >= self._patience_s or not faults.is_passing(error):
                    raise
            else:
                if self.stop.is_set():  # meanwhile: nobody waits for it any more
                    raise Stopped
                return answer
            self._sleep(min(PAUSE_S * 2 ** (attempt - 1), LONGEST_S))
        raise AssertionError

    def _asked(self, stream: str | None, start: int, end: int, token: str | None) -> Answer:
        from botocore.exceptions import ClientError

        try:
            if self.has_ids:
                return self._filtered(stream, start, end, token)
            return self._gotten(stream, start, end, token)
        except ClientError as error:
            code = code_of(error)
            if code in DENIED and self.has_ids and stream is not None and not self._pattern:
                return self._second_way(error, stream, start, end, token)
            if code == "InvalidParameterException" and token is not None:
                raise TokenLost from error
            raise

    def _second_way(
        self, denied: Exception, stream: str, start: int, end: int, token: str | None
    ) -> Answer:
        """GetLogEvents from here on; where that is denied too, the first denial is what counts."""
        from botocore.exceptions import ClientError

        try:
            answer = self._gotten(stream, start, end, None)
        except ClientError as error:
            if code_of(error) in DENIED:
                raise denied from error
            raise
        self.api = "GetLogEvents"
        if token is not None:
            raise TokenLost from denied
        return answer

    def _filtered(self, stream: str | None, start: int, end: int, token: str | None) -> Answer:
        asked: dict[str, Any] = {"startTime": start, "endTime": end - 1, "limit": MOST}
        asked["interleaved"] = True  # AWS always does; servers that play it only if told
        if stream is not None:
            asked["logStreamNames"] = [stream]
        if self._pattern:
            asked["filterPattern"] = self._pattern
        if token is not None:
            asked["nextToken"] = token
        client = self._access.reader
        return answers.taken(client.filter_log_events(logGroupName=self.group, **asked))

    def _gotten(self, stream: str | None, start: int, end: int, token: str | None) -> Answer:
        asked: dict[str, Any] = {"startTime": start, "endTime": end, "limit": MOST}
        if token is not None:
            asked["nextToken"] = token
        client = self._access.reader
        answer = answers.taken(
            client.get_log_events(
                logGroupName=self.group, logStreamName=stream, startFromHead=True, **asked
            )
        )
        for event in answer.events:
            event.log_stream_name = stream or ""
        return answer
