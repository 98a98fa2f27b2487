"""A reader that hands out pages as a test wants them, without any network."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mlids.cloudwatch.answers import Answer, LogEvent
from mlids.cloudwatch.reading import TokenLost


def event(time: int, message: str = "", id: int | str = "", taken: int = 0) -> LogEvent:
    """An event; without an id where none is given."""
    return LogEvent(time, message or f"at {time}", taken, str(id), "s")


def numbered(times: Iterable[int]) -> list[LogEvent]:
    """Events with ids that count up."""
    return [event(time, f"{number}", number) for number, time in enumerate(times, 1)]


class Pages:
    """Plays AWS: sorted, `size` events a page; `fault` may change an answer or raise.

    Tokens are "begin:number" of the scan that they belong to. fault: called with the number of the
    request (from 1), the answer and the token that was sent.
    """

    def __init__(
        self,
        events: list[LogEvent],
        size: int = 3,
        fault: Callable[[int, Answer, str | None], Answer] | None = None,
        has_ids: bool = True,
    ) -> None:
        self.events = sorted(events, key=lambda e: (e.timestamp, e.ingestion_time))
        self.size, self.fault, self.has_ids = size, fault, has_ids
        self.api = "FilterLogEvents" if has_ids else "GetLogEvents"
        self.asked: list[tuple[int, int, str | None]] = []

    def page(self, stream: str | None, start: int, end: int, token: str | None) -> Answer:
        """What the real reader's `page` gives."""
        self.asked.append((start, end, token))
        assert len(self.asked) < 20_000, "it never ends"
        inside = [one for one in self.events if start <= one.timestamp < end]
        at = int(token.split(":")[1]) if token else 0
        if token and int(token.split(":")[0]) != start:
            raise TokenLost
        some = inside[at : at + self.size]
        answer = Answer([LogEvent(*_fields(one)) for one in some])
        behind = f"{start}:{at + len(some)}"
        if self.has_ids:
            answer.next_token = behind if at + self.size < len(inside) else None
        else:
            answer.next_forward_token = behind
        return self.fault(len(self.asked), answer, token) if self.fault else answer


def _fields(one: LogEvent) -> tuple:
    return one.timestamp, one.message, one.ingestion_time, one.event_id, one.log_stream_name
