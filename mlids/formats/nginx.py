"""Access logs of nginx."""

from __future__ import annotations

from mlids.layouts import logformat
from mlids.layouts.requests import AccessLog


class Nginx(AccessLog):
    """Lines of nginx's combined format, those built on it, or of a `log_format` of one's own."""

    def own_format(self, text: str) -> logformat.AccessPattern:
        """A `log_format` of nginx."""
        return logformat.nginx(text)
