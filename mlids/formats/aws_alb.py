"""Access logs of AWS's application load balancers."""

from __future__ import annotations

from mlids.layouts import logformat
from mlids.layouts.requests import AccessLog
from mlids.layouts.syslog import Zoned

# AWS, "Access logs for your Application Load Balancer"; what follows the agent is of no use here.
LINE = (
    "$type $time_iso8601 $elb $remote_addr:$port $target $a $b $c $status $of_target $received"
    ' $bytes_sent "$request" "$http_user_agent" $rest'
)


class AwsAlb(AccessLog):
    """Columns: time, src, method, target, status, size, agent."""

    Settings = Zoned
    certainty = 0.97
    line = LINE

    def own_format(self, text: str) -> logformat.AccessPattern:
        """The one format there is."""
        return logformat.nginx(text)
