"""Syslog messages (RFC 5424): one a line, the non-transparent framing of RFC 6587, section 3.4.2.

Nothing in a message ends its line, or acts on the terminal that shows it; the text of a message is
the event as JSON (`mlids.rfc5424`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mlids.encoders import json_safe
from mlids.events import Event
from mlids.exports.facts import stored
from mlids.rfc5424 import message


def render(events: Iterable[Event]) -> Iterator[bytes]:
    """One message a line."""
    return (json_safe(message(stored(event))) + b"\n" for event in events)
