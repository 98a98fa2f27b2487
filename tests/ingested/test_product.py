from __future__ import annotations

import pytest

from mlids.ingested.findings import Place
from mlids.ingested.product import Product, RuleProduct
from mlids.testing import START_NS, lines

PLACE = Place(START_NS, "x.log", 1, 0)


class Some(Product):
    name = "some"
    literals = (b"alert",)


class Ruled(RuleProduct):
    name = "cloudtrail"

    def prepared(self, event):
        return {"ok": True, **event}

    def about(self, event):
        return {"user": event.get("who", "")}, {"event": event.get("eventName")}


def test_lines_without_a_literal_are_not_decoded():
    assert Some().rows(lines("x", "an alert", "y")).tolist() == [1]
    assert Product().rows(lines("x", "y")).tolist() == [0, 1]


def test_nothing_waits_by_itself():
    made = Some()
    assert (tuple(made.due(1)), tuple(made.flush()), made.evicted, made.save()) == ((), (), 0, {})
    made.restore({})
    with pytest.raises(NotImplementedError):
        made.told({}, PLACE)


def test_findings_of_rules():
    record = {"eventSource": "cloudtrail.amazonaws.com", "eventName": "StopLogging", "who": "eve"}
    ((finding, place),) = Ruled().told(record, PLACE)
    assert place == PLACE
    assert (finding.rule, finding.severity) == ("cloudtrail-trail-stopped", "CRITICAL")
    assert finding.description == "the account's own audit was stopped or thinned: eve"
    assert finding.metadata == {
        "event": "StopLogging", "title": "the account's own audit was stopped or thinned",
    }  # fmt: skip
    assert (finding.tags, finding.key) == (("cloudtrail", "defense-evasion"), ())


def test_what_is_over_several_records_has_a_key():
    made, told = Ruled(), []
    for number in range(8):
        record = {"denied": True, "identity": "eve", "eventName": f"List{number}"}
        place = PLACE._replace(time_ns=START_NS + number, line=number + 1)
        told += [finding for finding, _ in made.told(record, place)]
    (finding,) = told
    assert finding.key == ("cloudtrail-denied-often", "eve")
    assert (finding.metadata["observed"], finding.metadata["threshold"]) == (8, 8)
    assert [place["line"] for place in finding.evidence] == [7, 6, 5, 4, 3, 2, 1]
