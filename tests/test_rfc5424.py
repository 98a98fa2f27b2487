"""Syslog messages read back by a small strict parser of RFC 5424."""

from __future__ import annotations

import re

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mlids.rfc5424 import frame, message
from mlids.testing import event

GRAMMAR = re.compile(
    rb"<(?P<pri>\d{1,3})>1 (?P<time>-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z) "
    rb"(?P<host>[\x21-\x7e]{1,255}) mlids - (?P<msgid>[\x21-\x7e]{1,32}) "
    rb'\[mlids@32473(?P<data>(?: [a-z_]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*)\] (?P<msg>.*)',
    re.DOTALL,
)


def parsed(line: bytes) -> tuple[re.Match[bytes], dict[str, str]]:
    match = GRAMMAR.fullmatch(line)
    assert match, line
    pairs = re.findall(rb' ([a-z_]+)="((?:[^"\\\]]|\\["\\\]])*)"', match["data"])
    return match, {k.decode(): re.sub(r"\\(.)", r"\1", v.decode()) for k, v in pairs}


def test_the_fields_are_where_the_rfc_wants_them() -> None:
    made = event("Port Scan", "HIGH", rule="port_scan", host="gate.example", id="e1")
    match, data = parsed(message(made))
    assert match["pri"] == b"83"  # authpriv.err
    assert match["time"] == b"2025-01-13T10:30:45.000000Z"
    assert (match["host"], match["msgid"]) == (b"gate.example", b"port_scan")
    assert msgspec.json.decode(match["msg"]) == made
    assert data["type"] == "Port Scan"
    assert data["ip"] == "192.0.2.7"
    assert data["id"] == "e1"


def test_severities_follow_the_event() -> None:
    found = {s: message(event(severity=s)).split(b">")[0] for s in ("LOW", "MEDIUM", "CRITICAL")}
    assert found == {"LOW": b"<85", "MEDIUM": b"<84", "CRITICAL": b"<82"}


@given(st.text(), st.text(), st.text())
def test_nothing_in_an_event_breaks_out_of_its_field(rule: str, host: str, user: str) -> None:
    surrogates = any("\ud800" <= char <= "\udfff" for char in rule + host + user)
    if surrogates:
        return  # JSON cannot carry them, so no event does
    made = event(rule=rule, host=host, details={"user": user, "description": "d"})
    match, data = parsed(message(made))
    assert msgspec.json.decode(match["msg"]) == made
    plain = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", "\ufffd", user[:256])
    assert data.get("user", "") == plain


def test_an_event_without_a_time_has_the_nil_value() -> None:
    match, _ = parsed(message(event(timestamp="yesterday")))
    assert match["time"] == b"-"


def test_a_frame_says_its_length_in_bytes() -> None:
    assert frame("ä b\n".encode()) == b"5 \xc3\xa4 b\n"
