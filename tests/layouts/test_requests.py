from __future__ import annotations

import pytest

from mlids.formats.apache import Apache
from mlids.formats.nginx import Nginx
from mlids.layouts.requests import AccessLog
from mlids.testing import lines

LINE = '1.2.3.4 - - [07/Apr/2022:14:45:44 +0200] "GET / HTTP/1.1" 200 5 "-" "-"'


def test_usual_lines_begin_with_their_client():
    assert Nginx().client_leads
    assert not Nginx(log_format="$remote_addr $status").client_leads


def test_what_is_likelier():
    chunk = (LINE + "\n").encode()
    assert Nginx().sniff(chunk) > Apache().sniff(chunk) > 0.9
    assert Nginx(log_format="$remote_addr|$status").sniff(b"1.2.3.4|200\nx\n") == 0.5
    assert Nginx(log_format="$remote_addr|$status").sniff(b"") == 0


def test_lines_of_ones_own_format():
    known = Nginx(log_format="$remote_addr|$status", timezone="UTC")
    batch = lines("1.2.3.4|200", LINE, format=known)
    assert known.recognised(batch).tolist() == [True, False]
    assert batch.column("src") == [b"1.2.3.4", None]
    assert "agent" not in known.column_names


def test_a_server_must_know_its_format_strings():
    with pytest.raises(NotImplementedError):
        AccessLog(log_format="x")
