import json

import pytest

from mlids import false_positives
from mlids.config import ConfigManager
from mlids.errors import MLIDSError
from mlids.false_positives import Case, Line
from mlids.logger import EventLogger
from mlids.moments import format_time
from mlids.suppression.entries import DAY_NS
from mlids.testing import START_NS, event

UNTIL = format_time(START_NS + DAY_NS)
TEXT = (
    "2025-01-13T10:30:45+00:00 host sshd[7]: Failed password for admin from 192.0.2.7 port 22 ssh2"
)


@pytest.fixture
def settings(tmp_path):
    return ConfigManager(tmp_path / "none.yaml", environment={}).settings


def marked(one, **keys):
    chosen = {"scope": "entity", "critical": False, **keys}
    return false_positives.suppression(one, "root", "a test", START_NS, UNTIL, **chosen)


def at(path, line=TEXT):
    path.write_text(f"another line\n{line}\n")
    return event(evidence=[{"source": str(path), "line": 2, "offset": 13}]).stamped()


def test_an_event_is_found_by_the_beginning_of_its_id(tmp_path):
    logger = EventLogger(tmp_path)
    made = [logger.log_event("XSS") for _ in range(5)]
    assert false_positives.find(logger.archive, made[2]["id"][:8]) == made[2]
    with pytest.raises(ValueError):
        false_positives.find(logger.archive, made[2]["id"][:7])
    with pytest.raises(KeyError):
        false_positives.find(logger.archive, "XSSXSSXSS")
    logger.close()


def test_a_suppression_is_for_this_rule_and_entity_and_not_more():
    entry = marked(event(rule="sigma/[x]*"))
    assert (entry.rule, entry.entity, entry.type) == ("sigma/[[]x][*]", "192.0.2.7", "Failed Login")
    assert marked(event(), scope="rule").entity == ""
    with pytest.raises(ValueError, match="scope"):
        marked(event(details={"description": "of nobody"}))
    with pytest.raises(ValueError, match="critical"):
        marked(event(severity="CRITICAL"))
    assert marked(event(severity="CRITICAL"), critical=True).critical


def test_a_case_has_the_lines_that_still_stand_where_they_stood(tmp_path):
    one = at(tmp_path / "auth.log")
    path = false_positives.write(tmp_path, one, marked(one))
    case = json.loads(path.read_text())
    assert case["lines"] == [{"source": str(tmp_path / "auth.log"), "offset": 13, "text": TEXT}]
    (tmp_path / "auth.log").write_text("rotated meanwhile\n")
    assert json.loads(false_positives.write(tmp_path, one, marked(one)).read_text())["lines"] == []


@pytest.mark.parametrize("place", [{"source": 7, "offset": 0}, {"source": "/no", "offset": 0}, {"source": "/dev/null", "offset": -1},
                                   {"source": "/", "offset": 0}, {"source": "\0", "offset": 1}, {"source": "x"}])  # fmt: skip
def test_odd_evidence_is_passed_over(tmp_path, place):
    one = event(evidence=[place, "x"]).stamped()
    assert false_positives.write(tmp_path, one, marked(one)).exists()


def test_an_id_names_no_file_elsewhere(tmp_path):
    one = event(id="../../x")
    path = false_positives.write(tmp_path, one, marked(one))
    assert path.parent == tmp_path / "false-positives"


def verdict(settings, one, lines=(), book=None, now=START_NS):
    entry = marked(one)
    other = false_positives.elsewhere(one)
    case = Case(dict(one), [Line("x", 0, text) for text in lines], entry, dict(other))
    return false_positives.run(settings, case, [entry] if book is None else book(entry), now)


def test_what_holds_and_what_does_not(settings):
    one = event(rule="login/sshd-failed").stamped()
    assert verdict(settings, one, [TEXT]).state == "held"
    assert verdict(settings, one, [TEXT]).notes == []
    assert verdict(settings, one, book=lambda entry: []).state == "removed"
    assert verdict(settings, one, now=START_NS + DAY_NS).state == "expired"
    both = verdict(settings, one, book=lambda entry: [entry, marked(one, scope="rule")])
    assert both.state == "failed" and "suppressed too" in both.problems[0]


def test_lines_that_lead_nowhere_are_said_to(settings):
    assert "no lines" in verdict(settings, event().stamped()).notes[0]
    assert "do not lead" in verdict(settings, event().stamped(), ["nonsense 192.0.2.7"]).notes[0]


def test_another_entity_is_of_the_same_kind():
    for details, key in (
        ({"ip": "192.0.2.7"}, "ip"),
        ({"ip": "2001:db8::1"}, "ip"),
        ({"user": "eve"}, "user"),
        ({"path": "/x"}, "path"),
    ):
        other = false_positives.elsewhere(event(details=details))
        assert other.details[key] != details[key]
    assert ":" in false_positives.elsewhere(event(details={"ip": "2001:db8::1"})).entity


def test_a_broken_case_is_told(tmp_path):
    (tmp_path / "false-positives").mkdir()
    (tmp_path / "false-positives" / "x.json").write_text("{}")
    with pytest.raises(MLIDSError) as caught:
        list(false_positives.cases(tmp_path))
    assert caught.value.code == "E002"
