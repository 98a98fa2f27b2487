from __future__ import annotations

import msgspec
import pytest

from mlids.controls.facts import Circumstances
from mlids.controls.frameworks import names
from mlids.errors import MLIDSError
from mlids.reports import compliance
from mlids.testing import event
from mlids.verification import Verification
from tests.controls.test_attacks import guessed
from tests.controls.test_facts import NAMED_SINK, running, scan
from tests.reports.test_summary import texts
from tests.test_coverage import DAY, Memory, at, service

GOOD = Verification(records=10, sealed=10, authentic=True)


def report(*events, **more) -> compliance.ComplianceReport:
    options = {"circumstances": NAMED_SINK, "verification": GOOD} | more
    stored = Memory(*sorted(events, key=lambda one: one.time_ns))
    return compliance.report(stored, at(0), at(10 * DAY), at(20 * DAY), **options)


def test_every_framework_is_judged():
    found = report(*running(), event(), scan(5))
    assert len(found.frameworks) == len(names())
    assert found.total == 3 and found.hosts
    assert all(one.url for one in found.frameworks)
    assert msgspec.json.decode(msgspec.json.encode(found))["frameworks"][0]["controls"]


def test_some_can_be_chosen_and_unknown_ones_are_refused():
    (one,) = report(event(), chosen=["gdpr"]).frameworks
    assert one.name == "GDPR"
    with pytest.raises(MLIDSError, match="sox"):
        report(event(), chosen=["sox"])


def test_retention_is_asked_as_long_as_the_chosen_frameworks_do():
    short = Circumstances(retention_days=90, told=["x"], copies=["x"])

    def advice(chosen: str) -> str:
        found = report(*running(), event(), circumstances=short, chosen=[chosen])
        return " ".join(one.what for one in found.recommendations)

    assert "retention_days: 2190" in advice("hipaa")
    assert "retention_days" not in advice("cis")


def test_a_control_has_evidence_and_the_time_that_is_dark():
    pause = service("Stopped", 2 * DAY), service("Started", 4 * DAY, inputs=["logs a"])
    found = report(*running(), *pause, guessed("CRITICAL", 50), chosen=["pci_dss"])
    (control,) = [one for one in found.frameworks[0].controls if one.id == "8.3.4"]
    assert control.status == "FAIL"
    assert control.evidence.count >= 1 and control.evidence.events[0]
    assert control.unwatched[0].seconds == 2 * DAY
    assert found.frameworks[0].status == "FAIL"


def test_the_document_says_what_it_is_and_is_not():
    found = report(*running(), event(), left_out=["a.jsonl is damaged"])
    document = compliance.document(found)
    text = texts(document)
    assert "no certificate" in text and "a.jsonl is damaged" in text
    assert "NOT ASSESSED" in text and "10.2.1.4" in text and "https://" in text
    for section in document.sections:
        for table in section.tables:
            assert all(len(row) == len(table.columns) for row in table.rows)
    assert len(document.sections) == len(names()) + 2


def test_an_empty_log_passes_nothing():
    found = report(verification=None)
    assert all(one.counts["PASS"] == 0 for one in found.frameworks)
    assert "the log is empty" in texts(compliance.document(found))
