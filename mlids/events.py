"""What everything behind a detector handles: events, and those who take them.

A detector says ``Event.new("Port Scan", "HIGH", "network", {...}, time_ns=...)``; the logger stamps
it (`Event.stamped`) and hands it to handlers, sinks and notifiers. This module knows no numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar, NoReturn

import msgspec

from mlids.errors import SinkError
from mlids.identity import detection_id, host_name, random_id
from mlids.moments import format_time, parse_time

__all__ = [
    "Action",
    "Correlator",
    "Event",
    "EventFilter",
    "EventHandler",
    "EventSink",
    "Notifier",
    "Plugin",
    "Severity",
    "SinkError",
    "detection_id",
    "format_time",
    "parse_time",
]

# What a type is when `log_event` is told nothing else: its severity and its source.
TYPES: dict[str, tuple[str, str]] = {
    "Port Scan": ("HIGH", "network"),
    "DoS Attack": ("HIGH", "network"),
    "Packet Anomaly": ("MEDIUM", "network"),
    "Rogue AP": ("HIGH", "network"),
    "ARP Spoofing": ("HIGH", "network"),
    "DNS Tunneling": ("HIGH", "network"),
    "New Device": ("MEDIUM", "network"),
    "File Created": ("LOW", "host"),
    "File Modified": ("MEDIUM", "host"),
    "File Deleted": ("MEDIUM", "host"),
    "File Access": ("LOW", "host"),
    "Integrity Violation": ("HIGH", "host"),
    "Package Update": ("LOW", "host"),
    "Failed Login": ("MEDIUM", "application"),
    "Successful Login": ("LOW", "application"),
    "Suspicious Login": ("HIGH", "application"),
    "Brute Force": ("HIGH", "application"),
    "SQL Injection": ("MEDIUM", "application"),
    "XSS": ("MEDIUM", "application"),
    "Command Injection": ("MEDIUM", "application"),
    "Path Traversal": ("MEDIUM", "application"),
    "Web Scan": ("MEDIUM", "application"),
    "Rule Match": ("MEDIUM", "application"),
    "Anomaly Detected": ("MEDIUM", "system"),
    "Threshold Exceeded": ("MEDIUM", "system"),
    "Incident": ("HIGH", "system"),
    "Monitoring Gap": ("MEDIUM", "system"),
    "Configuration Changed": ("LOW", "system"),
    "Events Suppressed": ("LOW", "system"),
    "Log Retention": ("LOW", "system"),
    "Service Started": ("LOW", "system"),
    "Service Stopped": ("LOW", "system"),
}


class Severity(StrEnum):
    """LOW < MEDIUM < HIGH < CRITICAL; `MIDDLE` is read as MEDIUM."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"

    @classmethod
    def _missing_(cls, value: object) -> Severity | None:
        name = str(value).upper()
        return cls.__members__.get("MEDIUM" if name == "MIDDLE" else name)

    @property
    def rank(self) -> int:
        """0 for LOW … 3 for CRITICAL, for comparisons."""
        return _RANK[self]


_RANK = {severity: rank for rank, severity in enumerate(Severity)}


def _read_only(self: object, *args: object, **options: object) -> NoReturn:
    raise TypeError("an Event is read-only; event.replace(key=value) gives a changed copy")


class Event(dict[str, Any]):
    """One thing that happened, as stored and sent: a read-only dict with attribute access.

    The seven keys ``timestamp type severity source details correlation_id tags`` come first and
    always exist; `id`, `host`, `rule`, `techniques`, `confidence`, `evidence` and `explanation` may
    follow. ``event.type`` and ``event["type"]`` are the same.
    """

    __slots__ = ("_encoded", "_time_ns")

    @classmethod
    def new(
        cls,
        type: str,
        severity: str,
        source: str,
        details: Mapping[str, Any],
        *,
        time_ns: int,
        rule: str,
        tags: Sequence[str] = (),
        techniques: Sequence[str] = (),
        confidence: float = 1.0,
        evidence: Sequence[Mapping[str, Any]] = (),
        explanation: str = "",
        correlation_id: str = "",
    ) -> Event:
        """Build an event.

        type: its public name ("Port Scan"); severity: LOW, MEDIUM, HIGH, CRITICAL; source: network,
        host, application or system; details: what happened (`ip` is the address that is blamed,
        `target` the one attacked); time_ns: when, from the data; rule: plugin or plugin/rule-id;
        techniques: MITRE ATT&CK ids; confidence: 0 to 1; evidence: where to look, the deciding
        place first; explanation: observed value, threshold and window in one sentence;
        correlation_id: shared by events of one detection (empty: a fresh one).
        """
        event = cls(
            timestamp=format_time(time_ns),
            type=type,
            severity=severity,
            source=source,
            details=dict(details),
            correlation_id=correlation_id or random_id(),
            tags=list(tags),
            rule=rule,
            techniques=list(techniques),
            confidence=confidence,
            evidence=list(evidence),
            explanation=explanation,
        )
        event._time_ns = time_ns
        return event

    @classmethod
    def decode(cls, line: bytes | str) -> Event:
        """The event that a JSON line holds. Raises `msgspec.DecodeError`."""
        return cls(_decode(line))

    def stamped(self) -> Event:
        """The event with `id` and `host`, as it is stored; the same one if it has them."""
        if "id" in self:
            return self
        event = Event(self, id=random_id(), host=host_name())
        event._time_ns = self.time_ns
        event._encoded = b""  # a missing slot costs two exceptions
        return event

    @property
    def entity(self) -> str:
        """Whom or what it is about: the blamed address, else user, path or target, else ""."""
        details = self.get("details")
        if isinstance(details, dict | Mapping):  # a dict is known at once, a Mapping is not
            for key in ("ip", "user", "path", "target"):
                if value := details.get(key):
                    return str(value)
        return ""

    def replace(self, **changes: Any) -> Event:
        """A copy with other values."""
        return Event({**self, **changes})

    @property
    def time_ns(self) -> int:
        """When it happened, in nanoseconds since 1970."""
        try:
            return self._time_ns
        except AttributeError:
            self._time_ns: int = parse_time(self["timestamp"])
            return self._time_ns

    def encoded(self) -> bytes:
        """The event as one line of JSON, without the newline; encoded once."""
        try:
            known = self._encoded
        except AttributeError:
            known = b""
        if not known:
            self._encoded: bytes = _encoded(self)
        return known or self._encoded

    def __reduce__(self) -> tuple[Any, ...]:
        return Event, (dict(self),)

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the event has no {name!r}") from None

    __setitem__ = __delitem__ = __ior__ = _read_only
    clear = pop = popitem = setdefault = update = _read_only


_encode = msgspec.json.Encoder(enc_hook=str).encode


def _encoded(value: Any) -> bytes:
    try:
        return _encode(value)
    except UnicodeEncodeError:  # names of files can be bytes that are no text
        return _encode(_as_text(value))


def _as_text(value: Any) -> Any:
    """The same with what is no Unicode written as escapes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_as_text(key): _as_text(inner) for key, inner in value.items()}
    return [_as_text(inner) for inner in value] if isinstance(value, list | tuple) else value


_decode = msgspec.json.Decoder(dict[str, Any]).decode


class EventFilter:
    """Chooses events: values inside one argument are OR, arguments are AND.

    severity: names to let through; event_types: types to let through; sources: likewise;
    min_severity: this one and above. An empty argument lets everything through. A subclass need
    not call ``super().__init__()``; overriding `matches` is enough.
    """

    severity: frozenset[Severity] = frozenset()
    event_types: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    min_severity: Severity = Severity.LOW

    def __init__(
        self,
        severity: Iterable[str] = (),
        event_types: Iterable[str] = (),
        sources: Iterable[str] = (),
        min_severity: str = "LOW",
    ) -> None:
        self.severity = frozenset(map(Severity, severity))
        self.event_types = frozenset(event_types)
        self.sources = frozenset(sources)
        self.min_severity = Severity(min_severity)

    def matches(self, event: Mapping[str, Any]) -> bool:
        """True where the event is let through."""
        severity = Severity(event["severity"])
        return (
            (not self.severity or severity in self.severity)
            and severity.rank >= self.min_severity.rank
            and (not self.event_types or event["type"] in self.event_types)
            and (not self.sources or event["source"] in self.sources)
        )


class NoSettings(msgspec.Struct, forbid_unknown_fields=True):
    """Settings of a plugin that has none."""


class Plugin:
    """What stands in a slot of the rail; the file's name is its name.

    `Settings` is a typed struct with a description and limits per field
    (``Annotated[int, msgspec.Meta(ge=1, description="…")] = 10``); its fields are the keyword
    arguments of the class and the keys of its section in the configuration. A subclass with an
    ``__init__`` of its own need not call this one, if it does not use `self.settings`.
    """

    Settings: ClassVar[type[msgspec.Struct]] = NoSettings
    enabled_by_default: ClassVar[bool] = True
    settings: Any

    def __init__(self, **options: Any) -> None:
        self.settings = msgspec.convert(options, self.Settings)

    @property
    def name(self) -> str:
        """The plugin's name: the name of its file."""
        return type(self).__module__.rpartition(".")[2]


class EventHandler(Plugin):
    """A listener in this process. Override `handle_event`."""

    def handle_event(self, event: Event) -> None:
        """Take one event. What it raises is counted and told once (E107), and harms nobody else."""
        raise NotImplementedError  # abstract


class EventSink(Plugin):
    """Hands events to another system. Override `send_event`, or `send_batch` for many at once.

    Queue, retry with backoff, spool and counting are `delivery`'s: a sink raises `SinkError` (any
    other exception counts as one) and the batch is offered again.
    """

    enabled_by_default = False
    batch_size: ClassVar[int] = 500  # events offered at once, at most
    retry_seconds: float = 30.0  # the longest wait between two offers
    spool_max_bytes: int = 1 << 30  # what may wait on disk; beyond it the oldest are dropped
    stats: Callable[[], Mapping[str, float]] = staticmethod(dict)  # of the process, set by the app

    def open(self) -> None:
        """Connect. Called before the first batch and again after each failure."""

    def send_event(self, event: Event) -> None:
        """Deliver one event; returning means it was taken."""
        raise NotImplementedError  # abstract

    def send_batch(self, events: Sequence[Event]) -> None:
        """Deliver events in order; of these the first that fails and the rest are offered again."""
        for done, event in enumerate(events):
            try:
                self.send_event(event)
            except Exception as error:
                raise SinkError(str(error), refused=range(done, len(events))) from error

    def close(self) -> None:
        """Let go of the connection. Called after a failure and at the end."""

    def endpoints(self) -> list[tuple[str, int]]:
        """Addresses and ports that this sink talks to, or listens on: MLIDS's own traffic."""
        return []


class Notifier(Plugin):
    """Tells people, after the volume law. Override `notify`."""

    enabled_by_default = False

    def notify(self, event: Event) -> None:
        """Tell one event; `suppressed` in its details counts those it stands for beside itself."""
        raise NotImplementedError  # abstract


class Action(Plugin):
    """Changes the host in answer to an event, and can undo it."""

    enabled_by_default = False

    def execute(self, event: Event) -> None:
        """Act on the event."""
        raise NotImplementedError  # abstract

    def undo(self, event: Event) -> None:
        """Take back what `execute` did for this event."""
        raise NotImplementedError  # abstract


class Correlator(Plugin):
    """Makes further events out of events. Never reads the clock: time comes from the events.

    The law is that of detectors: what it says does not depend on how events are cut into calls. Its
    state is bounded. It is asked by one thread at a time, and never about what correlators said.
    """

    def correlate(self, events: Iterable[Event]) -> Iterable[Event]:
        """The further events that these give rise to."""
        raise NotImplementedError  # abstract

    def joined(self, event: Event) -> str:
        """The `correlation_id` that an event of the latest `correlate` takes on, "" for its own."""
        return ""

    def flush(self) -> Iterable[Event]:
        """MLIDS stops, or the recording ends: what is still held back."""
        return ()

    def save(self) -> dict[str, Any]:
        """The state, as data that msgpack can carry; it is taken up after a restart."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""

    def counts(self) -> dict[str, int]:
        """Losses to be told: evicted."""
        return {}
