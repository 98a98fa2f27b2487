from __future__ import annotations

import numpy as np

from mlids.formats.nginx import Nginx
from mlids.formats.syslog import Syslog
from mlids.testing import lines
from mlids.web.logged import SAMPLED, requests, tells_requests


def line(
    target="/", src="1.2.3.4", status=200, size=99, referrer="-", agent="Mozilla/5.0", user="-"
):
    return (
        f'{src} - {user} [13/Jan/2025:10:30:45 +0000] "GET {target} HTTP/1.1" {status} {size}'
        f' "{referrer}" "{agent}"'
    )


def found(*text, format=None):
    return [one for one in requests(lines(*text, format=format or Nginx())) if one.verdict]


ATTACK = "/s?q=1%27%20UNION%20SELECT%20password%20FROM%20users--"


def test_what_a_request_says():
    (one,) = found(line(), line(ATTACK, status=500, size=7, user="eve"))
    assert (one.row, one.src, one.user, one.method, one.path, one.status, one.size) == (
        *(1, "1.2.3.4", "eve", "GET", b"/s", 500, 7),
    )
    assert one.verdict.types == ["SQL Injection"]
    assert one.time_ns == 1_736_764_245 * 10**9


def test_agents_and_referrers_are_looked_at_too():
    shell = "() { :;}; /bin/bash -c 'cat /etc/passwd'"
    (one,) = found(line(agent=shell))
    assert one.verdict.main.part == "agent"
    (two,) = found(line(referrer="http://x/?a=<script>alert(1)</script>"))
    assert two.verdict.main.part.startswith("referrer")


def test_escaped_quotes_are_quotes():
    (one,) = found(line("/s?q=\\x22><script>alert(1)</script>"))
    assert one.verdict.types == ["XSS"]


def test_others_are_sampled_by_their_line_number():
    batch = lines(*[line(f"/{n}") for n in range(SAMPLED * 3)], format=Nginx())
    sample = requests(batch)
    assert [int(batch.numbers[one.row]) for one in sample] == [SAMPLED, 2 * SAMPLED, 3 * SAMPLED]
    assert {one.verdict for one in sample} == {None}
    assert requests(batch) is sample


def test_narrowed_batches_see_their_own_lines_only():
    batch = lines(*[line(ATTACK) for _ in range(9)], format=Nginx())
    assert [one.row for one in requests(batch.take(np.array([2, 5])))] == [0, 1]


def test_formats_without_requests():
    batch = lines("Jan 13 10:30:45 host app: GET " + ATTACK, format=Syslog())
    assert not tells_requests(batch)
    assert requests(batch) == []
    assert requests(lines(line(ATTACK))) == []


def test_garbage_is_no_request():
    assert found("", "x", '"' * 500, line("\xff" * 50), '[] "" 200', '- - [x] "GET /<script>') == []
