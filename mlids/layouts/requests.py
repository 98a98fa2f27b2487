"""The formats of web servers: their usual lines, and lines of a format string of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec

from mlids.batches import LineBatch, LogFormat
from mlids.layouts import access
from mlids.layouts.logformat import AccessPattern
from mlids.lines import stamps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLE = 65536
SURE = 0.95  # of lines of a usual format; what somebody configured is surer


class AccessSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Settings of the access logs of a web server."""

    log_format: Annotated[
        str,
        msgspec.Meta(description="The server's own format string; empty: common, combined, vhost"),
    ] = ""
    timezone: Annotated[
        str,
        msgspec.Meta(
            description="IANA name of the zone of stamps without one; empty: this host's",
            extra={"key": "monitors.logs.timezone"},
        ),
    ] = ""


class AccessLog(LogFormat):
    """Columns: time, vhost, src, user, method, target, status, size, referrer, agent, as far as
    the lines have them. Raises ValueError for a format string that tells no address.
    """

    Settings: ClassVar[type[msgspec.Struct]] = AccessSettings
    certainty: ClassVar[float] = SURE
    line: ClassVar[str] = ""  # the format string of a server that has one only

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._zone = stamps.check_zone(self.settings.timezone)
        chosen: str = self.line or self.settings.log_format
        self._own: AccessPattern | None = self.own_format(chosen) if chosen else None
        self.client_leads = self._own is None

    def sniff(self, chunk: bytes) -> float:
        """The share of lines that are of the server's format."""
        head = chunk[:SAMPLE]
        if self._own is None:
            return self.certainty * access.share(head)
        lines = [line for line in head.splitlines()[:200] if line]
        known = sum(self._own.fields(line) is not None for line in lines)
        sure = self.certainty if self.line else 1.0
        return sure * known / len(lines) if lines else 0.0

    def recognised(self, batch: LineBatch) -> NDArray[np.bool_]:
        """Lines with a time and a request."""
        return self._own.recognised(batch) if self._own else access.recognised(batch)

    def parse(self, batch: LineBatch) -> dict[str, Any]:
        """The columns of these lines."""
        return self._own.parse(batch, self._zone) if self._own else access.parse(batch, self._zone)

    def own_format(self, text: str) -> AccessPattern:
        """A format string of the server's. Raises ValueError where it cannot be used."""
        raise NotImplementedError  # abstract
