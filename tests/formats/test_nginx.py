from __future__ import annotations

import pytest

from mlids.formats.nginx import Nginx
from mlids.testing import lines

LINE = '1.2.3.4 - eve [07/Apr/2022:14:45:44 +0200] "GET /a HTTP/1.1" 200 5 "-" "UA"'
OWN = {"nginx": "$remote_addr $status", "apache": "%h %>s"}["nginx"]


def test_columns():
    batch = lines(LINE, "example.org:80 " + LINE, "junk", format=Nginx(timezone="UTC"))
    assert batch.column("src") == [b"1.2.3.4", b"1.2.3.4", None]
    assert batch.column("vhost") == [None, b"example.org:80", None]
    assert batch.column("time").tolist() == [1_649_335_544 * 10**9] * 2 + [0]
    assert batch.format.recognised(batch).tolist() == [True, True, False]


def test_records_have_the_names_of_the_columns():
    batch = lines(LINE, format=Nginx())
    (record,) = batch.records()
    assert (record["src"], record["target"], record["status"]) == ("1.2.3.4", "/a", "200")


def test_a_format_of_ones_own():
    batch = lines("1.2.3.4 404", LINE, format=Nginx(log_format=OWN))
    assert batch.column("status") == [b"404", None]
    with pytest.raises(ValueError, match="address"):
        Nginx(log_format="nothing")
