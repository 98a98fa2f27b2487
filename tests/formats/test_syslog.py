from __future__ import annotations

from mlids.formats.syslog import Syslog
from mlids.testing import START_NS, lines


def test_columns():
    batch = lines("Jan 13 10:30:45 gate app[7]: hello", format=Syslog(timezone="UTC"))
    assert batch.column("time").tolist() == [START_NS]
    columns = [batch.column(name) for name in ("host", "program", "pid", "message")]
    assert columns == [[b"gate"], [b"app"], [b"7"], [b"hello"]]
