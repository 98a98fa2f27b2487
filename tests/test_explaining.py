from __future__ import annotations

import pytest

from mlids.config import ConfigManager
from mlids.errors import MLIDSError
from mlids.explaining import explain
from mlids.testing import START_NS

LOGIN = b"Jan 13 10:30:45 gate sshd[7]: Failed password for root from 1.2.3.4 port 5 ssh2"
REQUEST = b'1.2.3.4 - - [13/Jan/2025:10:30:45 +0000] "GET %s HTTP/1.1" 404 5 "-" "curl"'


@pytest.fixture(scope="module")
def settings():
    return ConfigManager("/none.yaml").settings


def test_a_login(settings):
    found = explain(settings, LOGIN, written=START_NS)
    assert found.format == "auth"
    assert found.likely["auth"] > found.likely["syslog"] > found.likely["app"]
    assert found.columns["message"].startswith("Failed password")
    assert found.columns["time"].startswith("2025-01-13T")
    fired = [look for look in found.looks if look.fired]
    assert [look.rule for look in fired] == ["login/sshd-failed"]
    assert "src '1.2.3.4'" in fired[0].why
    assert "brute_force counts it (threshold 5" in found.notes[0]
    assert [event["type"] for event in found.events] == ["Failed Login"]
    assert found.asked > 0


def test_a_line_of_another_program(settings):
    found = explain(settings, LOGIN.replace(b"sshd", b"other"))
    assert not any(look.fired for look in found.looks)
    assert any("this line is of other" in look.why for look in found.looks)
    assert found.events == []


def test_a_format_that_was_chosen(settings):
    found = explain(settings, LOGIN, "app")
    assert found.format == "app"
    assert any("in a file of no program" in look.why for look in found.looks)
    with pytest.raises(MLIDSError) as error:
        explain(settings, LOGIN, "morse")
    assert error.value.code == "E002"


def test_an_attack(settings):
    found = explain(settings, REQUEST % b"/s?q=1%27%20UNION%20SELECT%20password%20FROM%20users--")
    looks = {look.rule: look for look in found.looks}
    assert looks["web/sqli-union-select"].fired
    assert "value q" in looks["web/sqli-union-select"].why
    assert [event["type"] for event in found.events] == ["SQL Injection"]


def test_an_ordinary_request(settings):
    found = explain(settings, REQUEST % b"/index.html")
    assert [(look.rule, look.fired) for look in found.looks if look.rule == "web"] == [
        ("web", False)
    ]
    assert found.events == []


@pytest.mark.parametrize("line", [b"x", b"\xff\xfe\x00", b"{}", b"[" * 5000, b" "])
def test_odd_lines(settings, line):
    assert explain(settings, line).events == []
