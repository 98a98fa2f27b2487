"""Events as RFC 5424 syslog messages, framed by octet counting (RFC 6587, 3.4.1; RFC 5425, 4.3).

``<83>1 2025-01-13T10:30:45.123456Z host mlids - port_scan [mlids@32473 type="Port Scan" …] {JSON}``
The facility is authpriv (10). 32473 is the enterprise number that RFC 5612 sets aside for examples;
MLIDS has none of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mlids.events import Event, format_time
from mlids.identity import host_name

AUTHPRIV = 10
SEVERITIES = {"LOW": 5, "MEDIUM": 4, "HIGH": 3, "CRITICAL": 2}  # notice, warning, error, critical
SD_ID = "mlids@32473"
FIELDS = ("type", "severity", "source", "rule", "correlation_id", "id")
DETAILS = ("ip", "target", "port", "protocol", "user")
VALUE_LENGTH = 256  # characters of one value in the structured data; the JSON has all of it


def frame(message: bytes) -> bytes:
    """A message with its length before it, so that nothing in it can end it."""
    return b"%d %b" % (len(message), message)


def message(event: Event) -> bytes:
    """The syslog message of one event; its text is the event as JSON."""
    priority = AUTHPRIV * 8 + SEVERITIES.get(str(event.get("severity")), 4)
    host = _name(event.get("host") or host_name(), 255)
    rule = _name(event.get("rule", ""), 32)
    head = f"<{priority}>1 {_time(event)} {host} mlids - {rule} {_data(event)} "
    return head.encode("utf-8", "replace") + event.encoded()


def _time(event: Event) -> str:
    try:
        text = format_time(event.time_ns)
    except (ValueError, OverflowError, OSError, TypeError, KeyError):
        return "-"
    return text


def _data(event: Event) -> str:
    details = event.get("details")
    details = details if isinstance(details, Mapping) else {}
    pairs = [(key, event.get(key)) for key in FIELDS] + [(key, details.get(key)) for key in DETAILS]
    values = (f' {key}="{_value(value)}"' for key, value in pairs if value not in (None, ""))
    return f"[{SD_ID}{''.join(values)}]"


def _value(value: object) -> str:
    """A PARAM-VALUE: quote, backslash and bracket escaped (6.3.3), control characters taken out."""
    text = re.sub(
        r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", "\ufffd", str(value)[:VALUE_LENGTH]
    )
    return re.sub(r'(["\\\]])', r"\\\1", text)


def _name(value: object, length: int) -> str:
    """A header field: printable ASCII without spaces, or the nil value."""
    return re.sub(r"[^\x21-\x7e]", "_", str(value))[:length] or "-"
