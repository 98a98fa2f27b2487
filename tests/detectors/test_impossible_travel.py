from __future__ import annotations

import random

import pytest

from mlids.detectors.impossible_travel import ImpossibleTravel
from mlids.errors import MLIDSError
from mlids.events import format_time
from mlids.formats.syslog import Syslog
from mlids.testing import START_NS, check_detector, heartbeat, lines, run
from tests.travel import tables

NS, HOUR, DAY = 10**9, 3600, 86_400
BERLIN, PARIS, TOKYO, LIMA = "198.51.100.7", "192.0.2.7", "203.0.113.7", "2001:db8:5::9"
VPN, NOWHERE = "198.51.100.200", "100.99.1.1"


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> str:
    networks = {
        "198.51.100.0/24": tables.spot("berlin"),
        "192.0.2.0/24": tables.spot("paris"),
        "203.0.113.0/24": tables.spot("tokyo"),
        "2001:db8:5::/48": tables.spot("lima"),
    }
    return tables.write(tmp_path_factory.mktemp("table") / "towns.mmdb", networks)


def login(second: float, source: str, user: str = "eve", failed: bool = False, host="gate") -> str:
    stamp = format_time(START_NS + int(second * NS))[:-1]
    pid = int(second * 10) % 30000
    verb = "Failed" if failed else "Accepted"
    return (
        f"{stamp}+00:00 {host} sshd[{pid}]: {verb} password for {user} from {source} port 40 ssh2"
    )


def batch(*text: str):
    return lines(*text, format=Syslog(), source="auth.log")


def said(table: str, *text: str, **options):
    make = lambda: ImpossibleTravel(table=table, **options)  # noqa: E731
    return check_detector(make, batch(*text))


def test_two_places_in_an_hour(table):
    (event,) = said(table, login(1, BERLIN), login(HOUR, TOKYO))
    assert (event.type, event.severity, event.source) == ("Suspicious Login", "HIGH", "application")
    details, metadata = event.details, event.details["metadata"]
    assert (details["ip"], details["user"], details["port"]) == (TOKYO, "eve", 40)
    assert details["target"] == "gate"
    assert (event.rule, event.techniques) == ("impossible_travel", ["T1078"])
    assert event.time_ns == START_NS + HOUR * NS
    assert [place["line"] for place in event.evidence] == [2, 1]
    assert (metadata["from"]["city"], metadata["to"]["country"]) == ("Berlin", "Japan")
    assert metadata["from"]["ip"] == BERLIN
    assert metadata["to"]["accuracy_km"] == 50
    assert metadata["distance_km"] == pytest.approx(8920, abs=20)
    assert metadata["beyond_accuracy_km"] == pytest.approx(metadata["distance_km"] - 70)
    assert metadata["speed_kmh"] == pytest.approx(8852, abs=20)
    assert metadata["seconds"] == HOUR - 1
    assert "Berlin, Germany" in details["description"]
    assert "threshold 900 km/h over 500 km" in event.explanation


def test_slow_enough_or_near_enough_is_silent(table):
    assert said(table, login(1, BERLIN), login(11 * HOUR, TOKYO)) == []
    assert said(table, login(1, BERLIN), login(HOUR, BERLIN.replace(".7", ".8"))) == []
    assert said(table, login(1, BERLIN), login(2, PARIS), min_distance_km=900) == []
    assert len(said(table, login(1, BERLIN), login(2, PARIS))) == 1


def test_the_threshold_can_be_set(table):
    day = [login(1, BERLIN), login(9 * HOUR, TOKYO)]
    assert said(table, *day, min_speed_kmh=1000) == []
    assert len(said(table, *day)) == 1


def test_at_the_same_time(table):
    (event,) = said(table, login(7, BERLIN), login(7, LIMA))
    assert event.details["metadata"]["speed_kmh"] is None
    assert "in the same second" in event.details["description"]
    assert event.details["ip"] == LIMA


def test_failed_logins_never_count(table):
    assert said(table, login(1, BERLIN), login(60, TOKYO, failed=True)) == []
    assert said(table, login(1, BERLIN, failed=True), login(60, TOKYO)) == []


def test_other_users_and_mail_addresses(table):
    assert said(table, login(1, BERLIN), login(60, TOKYO, "bob")) == []
    assert (
        len(said(table, login(1, BERLIN, "Eve@x.example"), login(9, TOKYO, "eve@x.example"))) == 1
    )


def test_one_account_across_services_and_formats(table):
    mail = (
        f"{format_time(START_NS + 90 * NS)[:-1]}+00:00 gate dovecot: imap-login: Login:"
        f" user=<eve>, method=PLAIN, rip={TOKYO}, lip=192.0.2.1, mpid=77, TLS, session=<abc>"
    )
    (event,) = said(table, login(1, BERLIN), mail)
    assert event.details["service"] == "dovecot"


def test_vpns_and_unknown_addresses_are_unverifiable(table):
    vpn = {"vpn_networks": ["198.51.100.128/25", "2001:db8:5:7::/64"]}
    assert said(table, login(1, TOKYO), login(60, VPN), login(90, TOKYO), **vpn) == []
    assert said(table, login(1, TOKYO), login(60, "2001:db8:5:7::1"), **vpn) == []
    assert said(table, login(1, TOKYO), login(60, "10.1.2.3"), login(61, NOWHERE)) == []
    (event,) = said(table, login(1, BERLIN), login(60, VPN), login(90, TOKYO), **vpn)
    assert event.details["metadata"]["unverifiable"] == [VPN]
    assert event.details["metadata"]["from"]["ip"] == BERLIN
    assert [place["line"] for place in event.evidence] == [3, 1, 2]


def test_the_evidence_alone_gives_the_event_again(table):
    text = [login(n, TOKYO if n % 9 else VPN, f"user{n % 7}") for n in range(1, 60)]
    text += [login(70, BERLIN, "user3"), login(80, BERLIN, "other")]
    make = lambda: ImpossibleTravel(table=table, vpn_networks=[VPN])  # noqa: E731
    whole = batch(*text)
    (event,) = run(make(), [whole])
    rows = sorted(place["line"] - 1 for place in event.evidence)
    (again,) = run(make(), [whole.take(rows)])
    assert again.encoded() == event.encoded()


def test_somebody_who_alternates_is_one_detection(table):
    text = [login(60 * n + 1, (BERLIN, TOKYO)[n % 2]) for n in range(201)]
    events = said(table, *text)
    assert [e.details["metadata"]["triggers"] for e in events] == [1, 10, 100, 200]
    assert sum(1 + e.details["suppressed"] for e in events) == 200
    assert len({e.correlation_id for e in events}) == 1
    more = said(table, *text, login(60 * 201, LIMA))
    assert len({e.correlation_id for e in more}) == 2  # a third place is another detection


def test_what_is_held_back_is_told_after_a_quiet_week(table):
    detector = ImpossibleTravel(table=table)
    text = [login(60 * n + 1, (BERLIN, TOKYO)[n % 2]) for n in range(5)]
    assert len(list(detector.inspect(batch(*text)))) == 1
    assert list(detector.inspect(heartbeat(START_NS + 6 * DAY * NS))) == []
    (rest,) = detector.inspect(heartbeat(START_NS + 8 * DAY * NS))
    assert rest.details["suppressed"] == 2
    assert list(detector.flush()) == []


def test_names_of_several_people_can_be_left_out(table):
    text = [login(1, BERLIN, "Team@x.example"), login(60, TOKYO, "Team@x.example")]
    assert said(table, *text, ignore_users=["team@x.example"]) == []


def test_lines_without_a_time_say_nothing(table):
    text = [
        f"sshd[4]: Accepted password for eve from {one} port 40 ssh2" for one in (BERLIN, TOKYO)
    ]
    assert said(table, *text) == []
    assert len(said(table, login(0, BERLIN), login(0, TOKYO))) == 1  # read as they were written


def test_user_names_cannot_forge_a_place(table):
    name = f"eve from {TOKYO} port 40 ssh2"
    assert said(table, login(1, BERLIN), login(60, BERLIN, name), login(90, BERLIN)) == []


def test_without_a_table_there_is_nothing_to_do(monkeypatch):
    import mlids.logins.records as records

    monkeypatch.setattr(records, "logins", lambda *_: pytest.fail("lines were looked at"))
    assert list(ImpossibleTravel().inspect(batch(login(1, BERLIN)))) == []


def test_wrong_settings_are_told(table, tmp_path):
    with pytest.raises(MLIDSError) as caught:
        ImpossibleTravel(table=str(tmp_path / "none.mmdb"))
    assert caught.value.code == "E007"
    with pytest.raises(ValueError, match="nonsense"):
        ImpossibleTravel(table=table, vpn_networks=["nonsense"])


def test_many_users_are_bounded_and_counted(table):
    detector = ImpossibleTravel(table=table, max_users=100)
    text = [login(n + 1, (BERLIN, TOKYO)[n % 2], f"u{n // 2}") for n in range(2000)]
    events = run(detector, [batch(*text)])
    assert len({event.details["user"] for event in events[:100]}) == 100
    assert sum(1 + event.details["suppressed"] for event in events) == 1000
    assert detector.counts()["evicted"] == 900 + 1  # users, and a detection that gave way
    assert len(detector.save()["journeys"]) == 100


def test_random_logins_obey_the_law(table):
    rng = random.Random(4)
    seconds = sorted(rng.uniform(1, 3 * DAY) for _ in range(300))
    sources = [BERLIN, PARIS, TOKYO, LIMA, VPN, "10.0.0.1"]
    text = [login(s, rng.choice(sources), f"u{rng.randrange(4)}") for s in seconds]
    rng.shuffle(text[:40])
    assert len(said(table, *text, vpn_networks=[VPN])) > 10


def test_hostile_lines_never_raise(table):
    rng = random.Random(5)
    whole = "\n".join([login(1, BERLIN), login(60, TOKYO)]).encode()
    for _ in range(300):
        raw = bytearray(whole)
        for _ in range(rng.randrange(1, 12)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        run(ImpossibleTravel(table=table), [lines(*bytes(raw).split(b"\n"), format=Syslog())])
    odd = ["", "\x00" * 300, login(1, "x" * 4000), login(1, BERLIN, "u" * 70_000)]
    run(ImpossibleTravel(table=table), [lines(*odd, format=Syslog()), lines(*odd), lines()])
