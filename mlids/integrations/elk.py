"""Events into Elasticsearch or OpenSearch, by their `_bulk` interface.

Every document carries the event's id and is only ever created: what is sent twice is stored once.
"""

from __future__ import annotations

import base64
import hashlib
import re
import string
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from mlids.bulk import Bulk, PieceError
from mlids.errors import ConfigError, SinkError
from mlids.events import Event, EventSink
from mlids.http import Answer, Client

# 400 for one document that says the cluster, and not the document, is at fault.
_CLUSTER = frozenset({"validation_exception", "index_closed_exception"})


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Where the documents go, and with what right."""

    elasticsearch_url: Annotated[
        str, msgspec.Meta(min_length=1, description="address of Elasticsearch or OpenSearch")
    ] = "http://localhost:9200"
    index_pattern: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            description="index to write to; * stands for the day, as does {timestamp:%Y.%m.%d}",
        ),
    ] = "mlids-*"
    api_key: Annotated[
        str, msgspec.Meta(description="API key, base64 as shown", extra={"secret": True})
    ] = ""
    username: Annotated[str, msgspec.Meta(description="user, where there is no API key")] = ""
    password: Annotated[
        str, msgspec.Meta(description="the user's password", extra={"secret": True})
    ] = ""
    verify: Annotated[bool, msgspec.Meta(description="check the server's certificate")] = True
    ca_file: Annotated[
        str, msgspec.Meta(description="authorities to trust, PEM; empty: those of the system")
    ] = ""
    gzip: Annotated[bool, msgspec.Meta(description="compress what is sent")] = True
    max_bytes: Annotated[
        int, msgspec.Meta(ge=10_000, le=100_000_000, description="size of one request")
    ] = 5_000_000
    timeout_seconds: Annotated[float, msgspec.Meta(gt=0, le=300, description="for one request")] = (
        30.0
    )
    retry_seconds: Annotated[
        float, msgspec.Meta(gt=0, le=3600, description="the longest wait before another attempt")
    ] = 30.0
    spool_max_bytes: Annotated[
        int, msgspec.Meta(ge=1 << 16, description="what may wait on disk while the peer is away")
    ] = 1 << 30


class ELKSink(EventSink):
    """Writes events to an index a day: ``ELKSink("http://localhost:9200", "mlids-*")``.

    Raises `ConfigError` E002 for a pattern that makes no index name, or an address that is none.
    """

    Settings = Settings

    def __init__(
        self, elasticsearch_url: str | None = None, index_pattern: str | None = None, **options: Any
    ) -> None:
        named = {"elasticsearch_url": elasticsearch_url, "index_pattern": index_pattern}
        super().__init__(
            **{key: value for key, value in named.items() if value is not None}, **options
        )
        settings: Settings = self.settings
        self.retry_seconds = settings.retry_seconds
        self.spool_max_bytes = settings.spool_max_bytes
        self._pattern = _pattern(settings.index_pattern)
        self._client = Client(
            settings.elasticsearch_url,
            headers=_authorization(settings),
            verify=settings.verify,
            ca_file=settings.ca_file,
            compress=settings.gzip,
            timeout_s=settings.timeout_seconds,
            max_answer=64 << 20,
        )

    def open(self) -> None:
        """Look the server up."""
        self._client.open()

    def send_event(self, event: Event) -> None:
        """Store one event."""
        self.send_batch([event])

    def send_batch(self, events: Sequence[Event]) -> None:
        """Store events; those that the server refuses are named one by one."""
        bulk = Bulk([self._entry(event) for event in events], self.settings.max_bytes)
        bulk.send(lambda piece: self._post(bulk, piece))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def endpoints(self) -> list[tuple[str, int]]:
        """The server's addresses."""
        return self._client.endpoints()

    def index(self, event: Event) -> str:
        """The index that an event belongs to."""
        moment = datetime.fromtimestamp(event.time_ns // 1_000_000_000, UTC)
        return self._pattern.format(timestamp=moment).lower()

    def _entry(self, event: Event) -> bytes:
        encoded = event.encoded()
        named = event.get("id") or hashlib.sha256(encoded).hexdigest()[:32]
        action = {"create": {"_index": self.index(event), "_id": str(named)[:500]}}
        if "@timestamp" not in event:
            time = msgspec.json.encode(str(event["timestamp"]))
            encoded = b'{"@timestamp":%b,%b' % (time, encoded[1:])
        return b"%b\n%b\n" % (msgspec.json.encode(action), encoded)

    def _post(self, bulk: Bulk, piece: list[int]) -> None:
        path = "/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason"
        answer = self._client.post(path, bulk.body(piece), "application/x-ndjson")
        if answer.status in (400, 413):
            raise PieceError(_said(answer))
        if answer.status != 200:
            slow = answer.status in (401, 403, 404)
            raise SinkError(
                _said(answer),
                wait_s=self.retry_seconds if slow else answer.retry_after_s,
            )
        items = answer.json().get("items")
        if not isinstance(items, list) or len(items) != len(piece):
            raise SinkError("the server's answer does not fit what was sent")
        for position, item in zip(piece, items, strict=True):
            self._judge(bulk, position, item)

    def _judge(self, bulk: Bulk, position: int, item: Any) -> None:
        """Created, or there already: taken. Its own fault: rejected. Anything else: again."""
        result = next(iter(item.values()), None) if isinstance(item, dict) else None
        result = result if isinstance(result, Mapping) else {}
        status = result.get("status")
        if status in (200, 201, 409):
            return
        error = result.get("error")
        error = error if isinstance(error, Mapping) else {}
        why = f"{status} {error.get('type', '')}: {str(error.get('reason', ''))[:200]}"
        if status in (400, 413) and error.get("type") not in _CLUSTER:
            bulk.reject([position], why)
        else:
            bulk.refuse([position], why)


def _pattern(text: str) -> str:
    """The pattern as `str.format` takes it. Raises `ConfigError` where it makes no index name."""
    pattern = text.replace("*", "{timestamp:%Y.%m.%d}")
    try:
        fields = [
            field for _, field, _, _ in string.Formatter().parse(pattern) if field is not None
        ]
        name = pattern.format(timestamp=datetime(2025, 1, 13, tzinfo=UTC)).lower()
    except (ValueError, LookupError, AttributeError) as error:
        raise ConfigError("E002", f"index_pattern {text!r}: {error}") from error
    if set(fields) - {"timestamp"}:
        raise ConfigError("E002", f"index_pattern {text!r}: {{timestamp:…}} is the only field")
    if re.search(r'[\\/*?"<>| ,#:\x00-\x1f]|^[-_+]|^\.{1,2}$', name) or len(name.encode()) > 255:
        raise ConfigError("E002", f"index_pattern {text!r} makes {name!r}, which is no index name")
    return pattern


def _authorization(settings: Settings) -> dict[str, str]:
    if settings.api_key:
        return {"Authorization": f"ApiKey {settings.api_key}"}
    if settings.username:
        pair = f"{settings.username}:{settings.password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}


def _said(answer: Answer) -> str:
    return f"the server answers {answer.status}: {answer.text()}"
