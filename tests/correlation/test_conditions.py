import pytest

from mlids.correlation import conditions
from mlids.correlation.conditions import Match, matcher
from mlids.testing import event


@pytest.mark.parametrize(
    ("match", "meant"),
    [
        ({}, True),
        ({"type": "Failed*"}, True),
        ({"type": ["XSS", "Failed Login"]}, True),
        ({"type": "XSS"}, False),
        ({"severity": "MEDIUM"}, True),
        ({"severity": "HIGH"}, False),
        ({"source": "application", "rule": "login/*"}, True),
        ({"source": "network", "rule": "login/*"}, False),
        ({"tags": "failure"}, True),
        ({"tags": ["success", "no*"]}, False),
        ({"type": "failed login"}, False),
    ],
)
def test_all_that_is_named_must_fit(match, meant):
    one = event(tags=["authentication", "failure"])
    assert matcher(Match(**match))(one) is meant


def test_values_are_found_by_their_names():
    one = event(details={"ip": "192.0.2.7", "port": 22, "metadata": {"pid": 7, "list": [1]}})
    assert conditions.value(one, "ip") == "192.0.2.7"
    assert conditions.value(one, "port") == "22"
    assert conditions.value(one, "rule") == "login/sshd"
    assert conditions.value(one, "details.metadata.pid") == "7"
    for nothing in (
        "user",
        "details.metadata.list",
        "details.metadata",
        "details.ip.x",
        "details.no",
    ):
        assert conditions.value(one, nothing) == ""


def test_values_that_are_counted_by_are_bounded():
    assert len(conditions.value(event(details={"user": "x" * 10_000}), "user")) == 256


def test_a_key_needs_all_of_its_fields():
    one = event(details={"ip": "192.0.2.7"})
    assert conditions.key(one, ["ip", "type"]) == ("192.0.2.7", "Failed Login")
    assert conditions.key(one, ["ip", "user"]) is None


def test_fields_that_events_have_not_are_known_as_such():
    assert all(map(conditions.known_field, ("ip", "rule", "details.metadata.x")))
    assert not conditions.known_field("adress")


def test_a_further_event_is_about_the_values_it_was_counted_by():
    found = conditions.entity_details(["ip", "rule", "details.user"], ["192.0.2.7", "x", "eve"])
    assert found == {"ip": "192.0.2.7", "user": "eve"}
