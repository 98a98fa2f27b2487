"""Access lines of the Zoraxy reverse proxy."""

from __future__ import annotations

from mlids.layouts import logformat
from mlids.layouts.requests import AccessLog
from mlids.layouts.syslog import Zoned

LINE = (
    "$day $clock [$time_local] [$router] [origin:$host] [client: $remote_addr]"
    " [useragent: $http_user_agent] $request_method $request_uri $status"
)


class Zoraxy(AccessLog):
    """Columns: time, vhost, src, agent, method, target, status."""

    Settings = Zoned
    certainty = 0.97
    line = LINE

    def own_format(self, text: str) -> logformat.AccessPattern:
        """The one format there is."""
        return logformat.nginx(text)
