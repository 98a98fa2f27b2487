from __future__ import annotations

import pytest

from mlids.layouts import logformat
from mlids.testing import lines


def test_a_format_of_nginx():
    known = logformat.nginx(
        '$remote_addr|$remote_user|[$time_local]|"$request"|$status|${body_bytes_sent}|'
        '$request_time|"$http_cookie"|"$request_body"|$server_name|"$http_user_agent"'
    )
    text = (
        '1.2.3.4|-|[07/Apr/2022:14:45:44 +0200]|"POST /a HTTP/1.1"|201|12|0.002|"a=b; c=d"|'
        '"x=\\x22y"|ex.org|"UA"'
    )
    found = {name: values[0] for name, values in known.parse(lines(text), "UTC").items()}
    assert found == {
        "time": 1_649_335_544 * 10**9, "src": b"1.2.3.4", "user": None, "method": b"POST",
        "target": b"/a", "status": b"201", "size": b"12", "cookies": b"a=b; c=d",
        "body": b'x="y', "vhost": b"ex.org", "agent": b"UA",
    }  # fmt: skip
    assert known.recognised(lines(text, "other")).tolist() == [True, False]


def test_a_format_of_apache():
    known = logformat.apache(
        '%v:%p %{c}a %l %u %t "%m %U%q %H" %>s %O \\"%{Referer}i\\" \\"%{User-Agent}i\\" %D %%'
    )
    text = (
        'ex.org:80 1.2.3.4 - eve [07/Apr/2022:14:45:44 +0200] "GET /a?b=c HTTP/1.1" 200 5'
        ' "http://x" "UA \\"q\\"" 99 %'
    )
    found = {name: values[0] for name, values in known.parse(lines(text), "UTC").items()}
    assert found["time"] == 1_649_335_544 * 10**9
    assert (found["src"], found["user"], found["method"], found["target"]) == (
        *(b"1.2.3.4", b"eve", b"GET", b"/a?b=c"),
    )
    assert (found["status"], found["size"], found["agent"]) == (b"200", b"5", b'UA "q"')


@pytest.mark.parametrize("text", ["$status", "no variables", ""])
def test_a_format_that_tells_no_address_is_refused(text):
    with pytest.raises(ValueError, match="address"):
        logformat.nginx(text)


def test_letters_of_patterns_are_letters():
    known = logformat.nginx("($remote_addr) [$status] $request_uri.* $http_x_forwarded_for")
    assert known.fields(b"(1.2.3.4) [200] /a.* 8.8.8.8") == {
        "src": b"1.2.3.4", "status": b"200", "target": b"/a",
    }  # fmt: skip
    assert known.fields(b"1.2.3.4 [200] /a.* x") is None
