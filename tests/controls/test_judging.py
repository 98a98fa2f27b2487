from __future__ import annotations

import pytest

from mlids.controls.facts import Circumstances
from mlids.controls.frameworks import Check, Control, Framework, framework, names
from mlids.controls.judging import judge, judge_all
from mlids.testing import event
from mlids.verification import Verification
from tests.controls.test_facts import facts, running, scan
from tests.test_coverage import DAY, service


def control(*checks: str, id: str = "1", **more) -> Control:
    parts = [Check(check=name, **more) for name in checks]
    return Control(id=id, title="a title", shows="something", checks=parts)


GOOD = Verification(records=10, sealed=10, authentic=True)
BAD = Verification(ok=False, records=10, bad="record 4 was changed")


@pytest.mark.parametrize(
    ("checks", "more", "status"),
    [
        (["watched", "proved"], {"verification": GOOD}, "PASS"),
        (["watched", "proved"], {}, "WARN"),  # nobody verified
        (["watched", "proved"], {"verification": BAD}, "FAIL"),
        (["changes", "proved"], {"verification": GOOD}, "WARN"),  # in part not assessed
        (["changes"], {}, "NOT ASSESSED"),
    ],
)
def test_the_worst_check_decides(checks, more, status):
    result = judge(control(*checks), facts(*running("logs a"), **more))
    assert result.status == status
    assert len(result.reasons) == len(checks)


def test_no_control_passes_for_a_time_that_nobody_watched():
    pause = service("Stopped", DAY), service("Started", 2 * DAY, inputs=["logs a"])
    result = judge(control("retained", days=30), facts(*running(), *pause))
    assert result.status == "WARN"
    assert "90 % of the period only" in result.reasons[-1]
    assert result.unwatched[0].seconds == DAY


@pytest.mark.parametrize("name", names())
def test_nothing_passes_where_mlids_did_not_run(name):
    for facts_ in (facts(), facts(event(), scan(5)), facts(service("Stopped", -5), event())):
        assert judge_all(framework(name), facts_).counts["PASS"] == 0


@pytest.mark.parametrize("name", names())
def test_most_pass_where_all_is_well(name):
    quiet = [
        *running(),
        event(),
        event("Successful Login", "LOW"),
        event("File Created", "LOW", source="host"),
        event("New Device", "LOW", source="network"),
    ]
    result = judge_all(framework(name), facts(*quiet, verification=GOOD))
    assert result.counts["FAIL"] == 0
    assert result.counts["PASS"] >= len(result.controls) / 2, result.counts
    assert sum(result.counts.values()) == len(result.controls)


def test_evidence_of_several_checks_is_one():
    events = *running(), *(event(seconds=n) for n in range(20))
    result = judge(control("recorded", "guessing"), facts(*events))
    assert result.evidence.by_type["Failed Login"] == 20
    assert len(result.evidence.events) == 10
    assert result.evidence.first == event().timestamp


def test_a_framework_is_as_good_as_its_worst_control():
    parts = [control("changes", id="a"), control("watched", id="b"), control("alerted", id="c")]
    whole = Framework(framework="f", version="1", source="s", url="u", year=2020, controls=parts)
    alone = facts(*running("logs a"), scan(1), circumstances=Circumstances())
    result = judge_all(whole, alone)
    assert result.status == "FAIL"
    assert result.counts == {"PASS": 1, "WARN": 0, "FAIL": 1, "NOT ASSESSED": 1}
    nothing = Framework(
        framework="f", version="1", source="s", url="u", year=2020, controls=parts[:1]
    )
    assert judge_all(nothing, alone).status == "NOT ASSESSED"


def test_events_of_each_check_are_named():
    told = [
        event("Incident", "HIGH", source="system", seconds=n, id=f"incident-{n}") for n in range(12)
    ]
    result = judge(control("incidents", "watched"), facts(*running(), *told))
    ids = result.evidence.events
    assert "incident-0" in ids[:2] and not ids[1].startswith("incident-1")
