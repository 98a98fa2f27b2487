from __future__ import annotations

import msgspec

from mlids.detectors.brute_force import BruteForce
from mlids.detectors.login import Login as LoginDetector
from mlids.formats.app import App
from mlids.formats.syslog import Syslog
from mlids.logins.records import told
from mlids.logins.sessions import Sessions
from mlids.testing import check_detector, lines

HEAD = "Jan 13 10:30:45 gate charon[7]: "


def ike(number: int, text: str) -> str:
    return f"{HEAD}06[NET] <con1|{number}> {text}"


def packet(number: int, address: str) -> str:
    return ike(number, f"received packet: from {address}[500] to 10.0.0.1[500] (144 bytes)")


def refused(number: int) -> str:
    return ike(number, "EAP-MS-CHAPv2 verification failed, retry (1)")


def placed(*text, sessions=None, source="test.log"):
    found = told(lines(*text, format=Syslog(timezone="UTC")))
    return list((sessions or Sessions()).placed(source, found))


def test_failures_have_the_address_of_their_session():
    found = placed(
        packet(1, "203.0.113.7"), packet(2, "203.0.113.8"), refused(2), refused(1), refused(3)
    )
    assert [(x.src, x.port) for x in found] == [("203.0.113.8", 500), ("203.0.113.7", 500), ("", 0)]


def test_sessions_of_other_files_machines_and_times_are_others():
    sessions = Sessions()
    assert placed(packet(1, "203.0.113.7"), sessions=sessions) == []
    assert placed(refused(1), sessions=sessions)[0].src == "203.0.113.7"
    assert placed(refused(1), sessions=sessions, source="other.log")[0].src == ""
    assert placed(refused(1).replace("gate", "door"), sessions=sessions)[0].src == ""
    assert placed(refused(1).replace("10:30", "10:41"), sessions=sessions)[0].src == ""


def test_a_process_is_a_session_where_no_number_is_told():
    head = "Jan 13 10:30:45 db postgres[{}]: [2-1] "
    wrong = 'FATAL:  password authentication failed for user "anna"'
    (found,) = placed(
        head.format(5) + "LOG:  connection received: host=203.0.113.7 port=4711",
        head.format(6) + "LOG:  connection received: host=203.0.113.8 port=4712",
        head.format(5) + wrong,
    )
    assert (found.src, found.port, found.user) == ("203.0.113.7", 4711, "anna")


def test_sessions_are_bounded_and_come_back():
    sessions = Sessions(most=10)
    placed(*(packet(n, f"203.0.113.{n}") for n in range(30)), sessions=sessions)
    assert sessions.evicted == 20
    again = Sessions(most=10)
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(sessions.save())))
    assert placed(refused(29), sessions=again)[0].src == "203.0.113.29"
    assert placed(refused(19), sessions=again)[0].src == ""


def test_detectors_blame_the_address_of_the_session():
    text = [line for n in range(6) for line in (packet(n, "203.0.113.7"), refused(n))]
    batch = lines(*text, format=Syslog(timezone="UTC"))
    logins = check_detector(lambda: LoginDetector(), batch)
    assert [event["details"]["ip"] for event in logins] == ["203.0.113.7"] * 6
    (told_once,) = [
        event
        for event in check_detector(lambda: BruteForce(), batch)
        if not event["details"].get("metadata", {}).get("repeats")
    ][:1]
    assert (told_once["type"], told_once["details"]["ip"]) == ("Brute Force", "203.0.113.7")


def test_directories_and_brokers():
    text = (
        "conn=7 fd=12 ACCEPT from IP=203.0.113.7:4711 (IP=0.0.0.0:389)",
        'conn=7 op=0 BIND dn="cn=anna,dc=example" method=128',
        "conn=7 op=0 RESULT tag=97 err=49 text=",
        "2023-01-01 10:00:00.000+00:00 [info] <0.7.0> accepting AMQP connection <0.7.0> "
        "(203.0.113.8:4711 -> 10.0.0.1:5672)",
        "2023-01-01 10:00:00.000+00:00 [error] <0.7.0> PLAIN login refused: user 'x' - invalid",
    )
    found = list(Sessions().placed("x", told(lines(*text, format=App(timezone="UTC")))))
    assert [login.src for login in found] == ["203.0.113.7", "203.0.113.8"]
