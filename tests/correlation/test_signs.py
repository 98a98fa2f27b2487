import pytest

from mlids.correlation.signs import short, sign
from mlids.testing import event


def of(type="Rule Match", severity="HIGH", source="host", host="Gate.example.org", **keys):
    return sign(event(type, severity, source=source, host=host, **keys))


@pytest.mark.parametrize(
    ("type", "severity", "techniques", "access"),
    [
        ("Successful Login", "LOW", [], True),
        ("Brute Force", "CRITICAL", ["T1110", "T1078"], True),
        ("Brute Force", "HIGH", ["T1110.001"], False),
        ("Command Injection", "HIGH", ["T1190", "T1059"], True),
        ("Command Injection", "MEDIUM", ["T1190", "T1059"], False),
        ("DoS Attack", "HIGH", ["T1498"], False),
    ],
)
def test_who_is_inside(type, severity, techniques, access):
    assert of(type, severity, techniques=techniques).is_access is access


def test_a_stage_is_a_tactic_or_else_a_type():
    assert of(techniques=["T1609"]).stage == "execution"
    assert of("My Own").stage == "My Own"
    assert of(techniques="T1609").stage == "Rule Match"


def test_the_machine_is_where_it_happened():
    assert of(details={"path": "/etc/passwd"}).machine == "gate"
    assert of(details={"metadata": {"host": "web-1.example.org"}}).machine == "web-1"
    login = of("Failed Login", source="application", details={"target": "Mail", "ip": "192.0.2.1"})
    assert (login.machine, login.target) == ("mail", "mail")
    assert of("XSS", source="application", details={"target": "192.0.2.1"}).machine == ""


def test_addresses_are_normalised_and_of_ipv6_the_network_counts():
    assert of(details={"ip": "::ffff:192.0.2.7"}).address == "192.0.2.7"
    assert of(details={"ip": "2001:db8::7"}).address == "2001:db8::/64"
    assert of(details={"ip": "a host"}).address == ""


def test_the_example_of_a_sweep_is_no_target():
    assert of(details={"target": "192.0.2.1"}).target == "192.0.2.1"
    assert of(details={"target": "192.0.2.1", "metadata": {"hosts": 30}}).target == ""


def test_names_of_machines_lose_their_domain_and_addresses_nothing():
    assert short("Gate.Example.ORG") == "gate"
    assert short("192.0.2.1") == "192.0.2.1"
    assert len(short("x" * 9999)) == 256
