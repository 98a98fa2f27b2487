from __future__ import annotations

import pytest

from mlids.controls import watching
from mlids.controls.facts import Circumstances
from mlids.controls.frameworks import Check
from mlids.testing import event
from tests.controls.test_facts import facts, running, scan
from tests.test_coverage import DAY, gap, service


def ask(name: str, *events, of: str = "", **more):
    found = getattr(watching, name)(facts(*events, **more), Check(check=name, of=of))
    return found.status.value, found.reason, found.evidence


def test_watched_from_begin_to_end():
    status, reason, evidence = ask("watched", *running(), of="network")
    assert status == "PASS"
    assert "of the period: network eth0" in reason
    assert evidence.count == 1 and len(evidence.events) == 1


@pytest.mark.parametrize(("dark_h", "status"), [(2, "PASS"), (5, "WARN"), (13, "FAIL")])
def test_a_stop_counts_by_its_share(dark_h, status):
    pause = service("Stopped", DAY), service("Started", DAY + dark_h * 3600, inputs=["logs a"])
    found, reason, _ = ask("watched", *running(), *pause)
    assert found == status
    assert f"{dark_h} h not, in 2 periods" in reason and "the longest" in reason


def test_a_kind_of_input_that_nobody_watched_is_not_assessed():
    status, reason, _ = ask("watched", *running("logs a"), of="files")
    assert status == "NOT ASSESSED"
    assert "files" in reason


def test_inputs_that_only_the_configuration_names_are_doubted():
    start, stop = service("Started", -10), service("Stopped", 10 * DAY - 1)
    configured = Circumstances(inputs=["files /etc"])
    status, reason, _ = ask("watched", start, stop, of="files", circumstances=configured)
    assert status == "WARN"
    assert "only the configuration" in reason


def test_complete_is_what_has_no_gaps():
    assert ask("complete", *running())[0] == "PASS"
    lossy = gap(100, input="eth0", what="dropped", amount=9)
    status, reason, evidence = ask("complete", *running(), lossy)
    assert (status, evidence.count) == ("WARN", 1)
    assert "eth0 (dropped)" in reason
    status, reason, _ = ask("complete", *running(), left_out=["mlids.jsonl: line 3 is no event"])
    assert status == "WARN" and "line 3" in reason


def test_failures_that_were_told_are_a_good_sign_and_silent_ends_a_bad_one():
    assert ask("failures", *running())[0] == "PASS"
    status, reason, _ = ask("failures", *running(), gap(100, code="E101"))
    assert status == "PASS" and "1 failure or loss" in reason
    status, reason, _ = ask("failures", *running(), service("Started", DAY))
    assert status == "WARN" and "1 run ended without a word" in reason


def test_alerts_need_somebody_who_is_told():
    nobody = Circumstances()
    assert ask("alerted", *running(), scan(1))[0] == "PASS"
    assert ask("alerted", *running(), circumstances=nobody)[0] == "WARN"
    status, reason, evidence = ask("alerted", *running(), scan(1), event(), circumstances=nobody)
    assert (status, evidence.count) == ("FAIL", 1)
    assert "1 HIGH or CRITICAL event and nobody is told" in reason
    assert ask("alerted", *running(), gap(5, code="E104", what="E104"))[0] == "WARN"


def test_an_input_is_watched_only_by_the_runs_that_name_it():
    halves = service("Stopped", 5 * DAY), service("Started", 5 * DAY + 1, inputs=["logs a"])
    status, reason, _ = ask("watched", *running(), *halves, of="network")
    assert status == "FAIL" and "50 % of the period: network eth0" in reason
    assert ask("watched", *running(), *halves, of="logs")[0] == "PASS"


def test_inputs_are_named_once_and_gaps_counted_once():
    silent = gap(30, input="logs a", what="silent"), gap(90, input="logs a", what="resumed")
    reason = ask("complete", *running(), *silent)[1]
    assert reason.startswith("1 monitoring gap of")
    assert ": logs a" in ask("watched", *running("logs a"), of="logs")[1]


def test_the_evidence_of_a_crash_are_the_runs():
    status, _, evidence = ask("failures", *running(), service("Started", 3 * DAY))
    assert (status, evidence.count) == ("WARN", len(evidence.events))
    assert "Service Started" in evidence.by_type
