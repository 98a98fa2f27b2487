from __future__ import annotations

import pytest

from mlids.formats.zeek import Zeek as Format
from mlids.ingested.findings import Place
from mlids.ingested.zeek import Zeek
from mlids.testing import START_NS, lines

PLACE = Place(START_NS, "notice.log", 1, 0)
NOTICE = {
    "_path": "notice", "ts": 1736764245.5, "note": "Scan::Port_Scan", "p": 22,
    "msg": "203.0.113.7 scanned 15 ports", "src": "203.0.113.7", "dst": "192.0.2.1",
}  # fmt: skip


def told(**changes):
    return [finding for finding, _ in Zeek().told({**NOTICE, **changes}, PLACE)]


def test_a_notice_keeps_its_note():
    (finding,) = told()
    assert (finding.type, finding.severity, finding.rule) == ("Port Scan", "HIGH", "zeek")
    assert finding.details == {
        "ip": "203.0.113.7", "target": "192.0.2.1", "port": 22, "protocol": "",
    }  # fmt: skip
    assert finding.metadata["rule"] == "Scan::Port_Scan"
    assert finding.description == "Scan::Port_Scan: 203.0.113.7 scanned 15 ports"


@pytest.mark.parametrize(
    ("note", "type", "severity"),
    [
        ("SSH::Password_Guessing", "Brute Force", "HIGH"),
        ("Site::Own_Rule", "Rule Match", "MEDIUM"),
        ("CaptureLoss::Too_Much_Loss", "Monitoring Gap", "MEDIUM"),
        ("SSL::Invalid_Server_Cert", "Rule Match", "LOW"),
    ],
)
def test_notes(note, type, severity):
    (finding,) = told(note=note)
    assert (finding.type, finding.severity) == (type, severity)


def test_ends_of_the_connection():
    (finding,) = told(src=None, dst=None, p=None, **{"id.orig_h": "2001:db8::1", "id.resp_p": "80"})
    assert (finding.details["ip"], finding.details["port"]) == ("2001:db8::1", 80)
    (finding,) = told(src="evil.example", msg="from 8.8.8.8")
    assert finding.details["ip"] == ""


def test_oddities():
    record = {"_path": "weird", "name": "bad_TCP_checksum", "id.orig_h": "203.0.113.7"}
    ((finding, _),) = Zeek().told(record, PLACE)
    assert (finding.type, finding.severity, finding.rule) == ("Packet Anomaly", "LOW", "zeek-weird")
    unnamed = {"name": "x", "notice": False}
    assert len(list(Zeek().told(unnamed, PLACE))) == 1


def test_other_logs_tell_nothing():
    assert list(Zeek().told({"_path": "conn", "name": "x", "notice": False}, PLACE)) == []
    assert list(Zeek().told({"_path": "x509", "note": "x"}, PLACE)) == []
    assert list(Zeek().told({}, PLACE)) == []


def test_only_notices_and_oddities_are_decoded():
    batch = lines(
        "#path\tconn", "#fields\tts\tuid", "1.5\tC1", "#path\tnotice", "#fields\tts\tnote",
        "1.5\tA::B", '{"ts": 1, "note": "A::B"}', '{"ts": 1, "id.orig_h": "203.0.113.7"}',
        format=Format(),
    )  # fmt: skip
    assert Zeek().rows(batch).tolist() == [5, 6]
    assert Zeek().rows(lines('{"note": "A::B"}', "x")).tolist() == [0]
