"""Access logs of Apache."""

from __future__ import annotations

from mlids.layouts import logformat
from mlids.layouts.requests import AccessLog


class Apache(AccessLog):
    """Lines in the common, combined or vhost format, or of a `LogFormat` of one's own."""

    certainty = 0.949  # lines that both servers write are called nginx's

    def own_format(self, text: str) -> logformat.AccessPattern:
        """A `LogFormat` of Apache."""
        return logformat.apache(text)
