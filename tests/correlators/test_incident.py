import random

import pytest

from mlids.correlators.incident import IncidentCorrelator
from mlids.events import Event
from mlids.testing import START_NS, check_correlator, event
from mlids.volume import NS

A, B = "203.0.113.7", "198.51.100.9"
DAY = 86_400


def made(type, severity, at, source, rule, techniques=(), **details):
    details.setdefault("description", f"{type} as a test")
    return Event.new(
        type, severity, source, details, time_ns=START_NS + int(at * NS), rule=rule,
        techniques=techniques, evidence=[{"source": "test.log", "line": int(at) + 1}],
    )  # fmt: skip


def scan(at, ip=A):
    return made(
        "Port Scan", "HIGH", at, "network", "port_scan", ["T1046"], ip=ip, target="10.0.0.5"
    )


def failed(at, ip=A, user="root"):
    return made(
        "Failed Login",
        "MEDIUM",
        at,
        "application",
        "login/sshd",
        ["T1110"],
        ip=ip,
        user=user,
        target="gate",
    )


def guessing(at, ip=A):
    return made(
        "Brute Force", "HIGH", at, "application", "brute_force/guessing", ["T1110.001"], ip=ip
    )


def success(at, ip=A, user="deploy", machine="gate"):
    yield made(
        "Successful Login",
        "LOW",
        at,
        "application",
        "login/sshd",
        ["T1078"],
        ip=ip,
        user=user,
        target=machine,
    )
    yield made(
        "Brute Force", "CRITICAL", at, "application", "brute_force/success-after-failures",
        ["T1110", "T1078"], ip=ip, user=user,
    )  # fmt: skip


def changed(at, path="/etc/passwd"):
    return made("File Modified", "MEDIUM", at, "host", "integrity", ["T1565.001"], path=path)


def command(at, user="root", host="gate"):
    return made(
        "Rule Match", "HIGH", at, "host", "ingested/falco", ["T1609"], user=user, target="web-1",
        metadata={"host": host},
    )  # fmt: skip


def chain(ip=A):
    return [
        scan(0, ip),
        failed(60, ip),
        guessing(90, ip),
        *success(120, ip),
        changed(200),
        command(300),
    ]


def incidents(events, **options):
    one = IncidentCorrelator(**options)
    return [*one.correlate([e.stamped() for e in events]), *one.flush()]


def open_incidents(events):
    return {event.correlation_id for event in incidents(events)}


def test_the_chain_is_one_incident_of_five_stages():
    events = [one.stamped() for one in chain()]
    said = check_correlator(IncidentCorrelator, events)
    assert len({one.correlation_id for one in said}) == 1
    last = said[-1]
    assert (last.type, last.severity, last.rule) == ("Incident", "CRITICAL", "incident")
    stages = last.details["metadata"]["stages"]
    assert [stage["tactic"] for stage in stages] == [
        "discovery", "credential-access", "initial-access", "impact", "execution",
    ]  # fmt: skip
    assert stages[0]["technique"] == "T1046"
    assert last.details["metadata"]["events"] == [one["id"] for one in events]
    assert sum(stage["count"] for stage in stages) == len(events)
    assert last.details["ip"] == A
    assert last.evidence[0] == events[-1].evidence[0]
    assert last.time_ns == events[-1].time_ns
    assert "deploy" in last.details["metadata"]["users"]


def test_it_opens_with_the_second_tactic_and_is_told_again_with_each_stage():
    one, told = IncidentCorrelator(), []
    for event_ in chain():
        told.append(
            [
                (e.severity, len(e.details["metadata"]["stages"]))
                for e in one.correlate([event_.stamped()])
            ]
        )
    assert told == [[], [("HIGH", 2)], [], [("HIGH", 3)], [], [("CRITICAL", 4)], [("CRITICAL", 5)]]


def test_events_of_an_incident_are_joined_to_it():
    one = IncidentCorrelator()
    list(one.correlate([scan(0).stamped()]))
    opening, other = failed(10).stamped(), failed(11, ip=B).stamped()
    (incident,) = one.correlate([opening])
    assert one.joined(opening) == incident.correlation_id
    list(one.correlate([other]))
    assert one.joined(other) == one.joined(opening) == ""


@pytest.mark.parametrize(
    "events",
    [
        [scan(0)],
        [scan(n * 60) for n in range(500)],
        [failed(0)],
        [failed(n) for n in range(500)],
        [failed(n * 5) for n in range(20)] + [guessing(100 + n) for n in range(500)],
        [made("File Created", "LOW", n, "host", f"rule-{n}", ["T1059", "T1098"][n % 2 :], user="eve") for n in range(500)],
        [made("Web Scan", "MEDIUM", 0, "application", "web_scan", ["T1595.002"], ip=A),
         made("SQL Injection", "MEDIUM", 1, "application", "web/sqli", ["T1190"], ip=A),
         made("XSS", "MEDIUM", 2, "application", "web/xss", ["T1189", "T1059.007"], ip=A)] * 200,
        [scan(0), failed(1, ip=B)],
        [scan(0), failed(2 * DAY)],
        [changed(n, f"/etc/{n}") for n in range(300)],
        [changed(0), command(10)],
        [guessing(0), scan(-10, ip=B), changed(5)],
    ],
    ids=["scan", "scans", "failure", "failures", "guessing", "LOW", "web", "two", "days", "files", "host", "apart"],
)  # fmt: skip
def test_what_is_no_incident(events):
    assert incidents(events) == []


@pytest.mark.parametrize(
    "events",
    [
        [scan(0), guessing(10)],
        [scan(0), failed(10)],
        [failed(0), made("SQL Injection", "HIGH", 9, "application", "web/sqli", ["T1190"], ip=A)],
        list(success(0)),
        [made(f"Sign {n}", "HIGH", n, "application", f"rule-{n}", ip=A) for n in range(3)],
        [made("x", "MEDIUM", n, "application", t, [t], ip=A) for n, t in enumerate(["T1595", "T1110", "T1190", "T1059"])],
    ],
    ids=["two HIGH", "ordered", "ordered later", "CRITICAL", "three without a technique", "four tactics of MEDIUM"],
)  # fmt: skip
def test_what_is_an_incident(events):
    assert len(open_incidents(events)) == 1


def test_the_order_of_a_sequence_counts():
    impact = made("DoS Attack", "MEDIUM", 0, "network", "flood", ["T1498"], ip=A)
    assert incidents([impact, scan(10)]) == []
    assert incidents([scan(-10), impact])


def test_two_attackers_on_one_host_stay_two():
    events = [*chain(A)[:5], *chain(B)[:5]]
    events = sorted([*events, changed(400), command(500)], key=lambda one: one.time_ns)
    said = incidents(events)
    by = {one.details["ip"]: one for one in said}
    assert by.keys() == {A, B}
    assert by[A].correlation_id != by[B].correlation_id
    for one in by.values():  # neither is blamed for what cannot be told apart
        assert "impact" not in one.details["metadata"]["tactics"]


def test_with_two_intruders_the_user_tells_whose_it_was():
    first = [scan(0, A), *success(10, A, "alice")]
    second = [scan(1, B), *success(20, B, "bob")]
    theirs = made("Rule Match", "HIGH", 60, "host", "ingested/falco", ["T1059"], user="bob")
    by = {one.details["ip"]: one for one in incidents([*first, *second, theirs])}
    assert "execution" in by[B].details["metadata"]["tactics"]
    assert "execution" not in by[A].details["metadata"]["tactics"]


def test_failed_attempts_on_one_user_join_nobody():
    events = [one for ip in (A, B) for one in (scan(0, ip), failed(10, ip), guessing(20, ip))]
    assert len(open_incidents(events)) == 2


def test_the_host_alone_joins_no_low_event_and_nothing_from_before_or_long_after():
    before = changed(100)
    low = made("File Created", "LOW", 150, "host", "integrity", path="/tmp/x")
    after = changed(120 + 7 * 3600)
    said = incidents([scan(0), guessing(90), before, *success(120), low, after])
    assert said[-1].details["metadata"]["tactics"] == [
        "discovery",
        "credential-access",
        "initial-access",
    ]


def test_of_several_machines_only_the_one_that_was_entered_counts():
    elsewhere = made(
        "Successful Login",
        "LOW",
        -5,
        "application",
        "login/sshd",
        ["T1078"],
        ip=B,
        user="x",
        target="mail",
    )
    said = incidents([elsewhere, *chain()[:5], command(300, host="mail")])
    assert "execution" not in said[-1].details["metadata"]["tactics"]
    said = incidents([elsewhere, *chain()[:5], command(300, host="gate.example.org")])
    assert "execution" in said[-1].details["metadata"]["tactics"]


def test_a_machine_that_was_only_tried_is_not_entered():
    tried = made(
        "Failed Login",
        "MEDIUM",
        61,
        "application",
        "login/sshd",
        ["T1110"],
        ip=A,
        user="root",
        target="mail",
    )
    events = [*chain()[:2], tried, *chain()[2:5]]
    assert "execution" in incidents([*events, command(300)])[-1].details["metadata"]["tactics"]
    last = incidents([*events, command(300, host="mail")])[-1].details["metadata"]
    assert "execution" not in last["tactics"]
    assert (last["machines"], last["targets"]) == (["gate"], ["10.0.0.5", "gate", "mail"])


def test_the_attacked_that_attacks_is_the_next_step():
    onward = scan(500, ip="10.0.0.5").replace(severity="MEDIUM", techniques=["T1021"])
    assert "lateral-movement" in incidents([*chain(), onward])[-1].details["metadata"]["tactics"]
    assert incidents([scan(0), guessing(1), onward])[-1].details["ip"] == A


def test_news_of_the_access_may_come_after_what_followed_it():
    events = chain()
    late = [*events[:3], events[5], *events[3:5]]
    (stages,) = {len(one.details["metadata"]["stages"]) for one in incidents(late)[-1:]}
    assert stages == 4


def test_addresses_of_one_ipv6_network_are_one_attacker():
    assert len(open_incidents([scan(0, "2001:db8::1"), guessing(9, "2001:db8::2")])) == 1
    assert open_incidents([scan(0, "2001:db8::1"), guessing(9, "2001:db8:1::2")]) == set()


def test_background_noise_on_an_exposed_sshd_is_no_incident():
    chance, events = random.Random(1), []
    for n in range(10_000):
        ip, at = f"198.{18 + n // 65536}.{n // 256 % 256}.{n % 256}", chance.random() * DAY
        count = chance.randint(1, 5)
        events += [
            failed(at + k, ip, chance.choice(["root", "admin", "test"])) for k in range(count)
        ]
        events += [guessing(at + count, ip)] if count == 5 else []
    distributed = made(
        "Brute Force",
        "HIGH",
        DAY,
        "application",
        "brute_force/distributed",
        ["T1110.001"],
        user="root",
    )
    events = sorted([*events, distributed], key=lambda one: one.time_ns)
    assert incidents(events) == []


def test_an_incident_that_goes_on_is_told_by_the_volume_law():
    said = incidents([scan(0), *[guessing(n) for n in range(1, 2000)]])
    assert [one.details["metadata"]["triggers"] for one in said] == [2, 10, 100, 1000, 2000]
    assert all(len(one.details["metadata"]["events"]) <= 100 for one in said)


def test_an_incident_ends_after_a_day_of_silence():
    said = incidents([scan(0), guessing(1), guessing(2), scan(2 * DAY), guessing(2 * DAY + 1)])
    assert len({one.correlation_id for one in said}) == 2
    assert [one.details["metadata"]["triggers"] for one in said] == [2, 3, 2]


def test_its_state_is_bounded_and_noise_pushes_no_incident_out():
    one = IncidentCorrelator(max_entities=100, max_incidents=10)
    list(one.correlate([scan(0), guessing(1)]))
    list(one.correlate([failed(2, f"198.18.{n // 256}.{n % 256}") for n in range(1000)]))
    assert one.counts()["evicted"] == 900
    assert len(one.save()["quiet"]) == 100
    (told,) = [*one.correlate(success(3))][:1]
    assert told.details["ip"] == A
    for n in range(30):
        list(one.correlate([scan(4, f"192.0.2.{n}"), guessing(5, f"192.0.2.{n}")]))
    assert len(one.save()["open"]) == 10


def test_what_concerns_mlids_itself_and_what_is_no_address_is_let_pass():
    odd = event(
        details={"ip": "not an address", "user": ["x"], "path": 7, "metadata": "x"},
        techniques="T1",
        severity="HIGH",
    )
    assert incidents([odd, odd, made("Monitoring Gap", "HIGH", 1, "system", "service")] * 3) == []
