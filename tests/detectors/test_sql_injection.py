from __future__ import annotations

import json

import pytest

from mlids.detectors.sql_injection import SqlInjection
from mlids.formats.nginx import Nginx
from mlids.testing import check_detector, lines
from tests.web.test_logged import line

OTHERS = {
    "/s?id=1+union+select+1,password+from+users--",
    "/s?q=%3Cscript%3Ealert(1)%3C/script%3E",
    "/ping?host=1.1.1.1%3Bcat%20/etc/passwd",
    "/f?name=..%2f..%2f..%2fetc%2fpasswd",
}
OWN = "/s?id=1+union+select+1,password+from+users--"


def told(*text):
    return check_detector(SqlInjection, lines(*text, format=Nginx(timezone="UTC")))


def test_its_own_class_is_told():
    (event,) = told(line("/"), line(OWN), line("/s?q=select+a+union"))
    assert event.type == "SQL Injection"
    assert event.rule.startswith("sql_injection/")
    assert event.details["ip"] == "1.2.3.4"
    assert event.evidence[0]["line"] == 2


@pytest.mark.parametrize("other", sorted(OTHERS - {OWN}))
def test_other_classes_are_told_by_others(other):
    assert told(line(other)) == []


def test_each_request_is_an_event():
    assert len(told(*[line(OWN) for _ in range(30)])) == 30


def test_garbage_says_nothing():
    assert told("", "\x00" * 99, line("\xff\xfe"), json.dumps({"a": OWN}), "GET " + OWN) == []
