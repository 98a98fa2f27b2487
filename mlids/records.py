"""Records of the event store: the events that the lines of its files hold."""

from __future__ import annotations

import msgspec

from mlids.events import Event, Severity
from mlids.moments import LAST_NS
from mlids.proofs import bare

_SEVERITIES = [severity.value for severity in Severity]  # a list: what stands there may be any type


def read(line: bytes) -> Event | None:
    """The event that a stored line holds, without its proof; None where it holds none.

    An event must be whole (`is_whole`) and of a time from 1970 to 2262, which 64 bits hold.
    """
    try:
        event = Event.decode(bare(line))
        if is_whole(event) and 0 <= event.time_ns < LAST_NS:
            return event
    except (msgspec.DecodeError, TypeError, ValueError, OverflowError, RecursionError):
        pass  # no JSON, no object, no time
    return None


def is_whole(event: Event) -> bool:
    """True where what is asked of every event is there: somebody may have edited the file."""
    stamp = event.get("timestamp")
    return (
        isinstance(stamp, str)
        and stamp[10:11] == "T"
        and stamp[11:13].isdecimal()
        and event.get("severity") in _SEVERITIES
        and isinstance(event.get("type"), str)
        and isinstance(event.get("source"), str)
        and isinstance(event.get("details"), dict)
        and isinstance(event.get("correlation_id"), str)
        and isinstance(event.get("tags"), list)
    )
