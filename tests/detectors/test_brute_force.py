from __future__ import annotations

import random
import tracemalloc

import pytest

from mlids.detectors.brute_force import BruteForce
from mlids.events import format_time
from mlids.formats.syslog import Syslog
from mlids.testing import START_NS, check_detector, lines

NS = 10**9
HOUR, DAY = 3600, 86400
A, B = "203.0.113.7", "198.51.100.9"
Told = list[tuple[str, str]]


def line(second: float, message: str, pid: int) -> str:
    stamp = format_time(START_NS + int(second * NS))[:-1]
    return f"{stamp}+00:00 gate sshd[{pid}]: {message}"


class Log:
    """Logins in any order, each in a connection of its own."""

    def __init__(self) -> None:
        self.lines: list[tuple[float, str]] = []

    def fail(self, second: float, user: str, source: str, exists: bool = True) -> Log:
        pid = len(self.lines)
        invalid = "" if exists else "invalid user "
        text = f"Failed password for {invalid}{user} from {source} port {pid % 60000 + 1} ssh2"
        self.lines.append((second, line(second, text, pid)))
        return self

    def succeed(self, second: float, user: str, source: str) -> Log:
        pid = len(self.lines)
        text = f"Accepted password for {user} from {source} port {pid % 60000 + 1} ssh2"
        self.lines.append((second, line(second, text, pid)))
        return self

    def batch(self):
        text = [text for _, text in sorted(self.lines, key=lambda pair: pair[0])]
        return lines(*text, format=Syslog(), source="auth.log")

    def events(self, check: bool = True, **options):
        make = lambda: BruteForce(**options)  # noqa: E731
        if check:
            return check_detector(make, self.batch())
        detector = make()
        return [*detector.inspect(self.batch()), *detector.flush()]


def techniques(events) -> list[str]:
    return [event.details["metadata"]["technique"] for event in events]


def guesses(count: int, every: float = 10, user: str = "root", source: str = A, log=None) -> Log:
    log = log or Log()
    for n in range(count):
        log.fail(n * every, user, source)
    return log


def test_five_in_ten_minutes():
    assert guesses(4).events() == []
    (event,) = guesses(5).events()
    assert (event.type, event.severity) == ("Brute Force", "HIGH")
    assert (event.details["ip"], event.details["user"]) == (A, "root")
    assert event.rule == "brute_force/guessing"
    assert event.techniques == ["T1110.001"]
    assert [place["line"] for place in event.evidence] == [5, 4, 3, 2, 1]
    assert "5 failed logins" in event.explanation
    assert "600 s" in event.explanation
    assert guesses(4, every=151).events() == []
    assert guesses(5, every=151).events() == []


def test_the_evidence_alone_gives_the_event_again():
    log = guesses(40, every=20)
    batch = log.batch()
    (event, *_) = log.events()
    rows = sorted(place["line"] - 1 for place in event.evidence)
    (again, *_) = BruteForce().inspect(batch.take(rows))
    assert again.encoded() == event.encoded()


def test_thresholds_can_be_set():
    assert guesses(2).events(threshold=2)
    assert not guesses(6).events(threshold=7)
    assert techniques(guesses(4, every=HOUR).events(medium_threshold=4)) == ["guessing"]


def test_one_attack_is_one_event_then_repeats_by_the_volume_law():
    events = guesses(1000, every=3).events()
    assert [e.details["metadata"]["attempts"] for e in events] == [5, 14, 104, 1000]
    assert [e.details["suppressed"] for e in events] == [0, 8, 89, 895]
    assert sum(1 + e.details["suppressed"] for e in events) == 996
    assert len({e.correlation_id for e in events}) == 1


def test_the_rest_is_told_when_the_attack_is_over():
    log = guesses(8)
    log.fail(3 * HOUR, "eve", B)
    detector = BruteForce()
    told = list(detector.inspect(log.batch()))
    assert [e.details["metadata"]["attempts"] for e in told] == [5, 8]
    detector = BruteForce()
    batch = guesses(8).batch()
    list(detector.inspect(batch))
    from dataclasses import replace

    heartbeat = replace(batch.take([]), now=START_NS + 2 * HOUR * NS)
    (rest,) = detector.inspect(heartbeat)
    assert rest.details["metadata"]["attempts"] == 8


def test_a_later_attack_is_another_one():
    log = guesses(6)
    for n in range(6):
        log.fail(30 * HOUR + n * 10, "root", A)
    first = {e.correlation_id for e in log.events()}
    assert len(first) == 2


@pytest.mark.parametrize("a_day", [30, 31, 40, 60, 100, 150, 400, 2000])
def test_at_most_29_tries_a_day_pass_unseen(a_day):
    events = guesses(2 * a_day, every=DAY / a_day).events(check=False)
    assert events
    assert events[0].details["metadata"]["attempts"] <= 30
    assert events[0].time_ns <= START_NS + DAY * NS


def test_29_a_day_is_below():
    assert guesses(58, every=DAY / 29).events(check=False) == []


def test_successes_of_the_attackers_own_account_hide_nothing():
    log = Log()
    for n in range(20):
        log.fail(n * 100, "root", A)
        log.succeed(n * 100 + 50, "eve", A)
    assert "guessing" in techniques(log.events())


def test_a_success_resets_only_the_short_window():
    log = Log()
    for n in range(40):
        for k in range(4):
            log.fail(n * 2000 + k * 10, "root", A)
        log.succeed(n * 2000 + 60, "root", A)
    events = log.events()
    assert techniques(events)[0] == "guessing"
    assert events[0].details["metadata"]["window_s"] == 6 * HOUR
    short = Log()
    for k in range(4):
        short.fail(k, "root", A)
    short.succeed(10, "root", A)
    for k in range(4):
        short.fail(20 + k, "root", A)
    assert short.events() == []


def test_enumeration():
    log = Log()
    for n in range(12):
        log.fail(n * 10, f"user{n}", A, exists=False)
    events = log.events()
    assert set(techniques(events)) == {"enumeration"}
    assert "user" not in events[0].details
    slow = Log()
    for n in range(6):
        slow.fail(n * 700, f"user{n}", A, exists=False)
    assert set(techniques(slow.events())) == {"enumeration"}


def test_spraying():
    log = Log()
    for n in range(10):
        log.fail(n * 300, f"user{n}", A)
    assert set(techniques(log.events())) == {"spraying"}
    fast = Log()
    for n in range(24):
        fast.fail(n * 10, f"user{n % 12}", A)
    events = fast.events()
    assert set(techniques(events)) == {"guessing", "spraying"}
    assert len({e.correlation_id for e in events}) == 1
    # after five tries it is guessing, after eight users spraying: every try from the fifth is counted
    assert sum(1 + e.details["suppressed"] for e in events) == 20


def test_distributed():
    log = Log()
    for n in range(24):
        log.fail(n * 60, "root", f"203.0.113.{n % 12}")
    events = log.events()
    assert set(techniques(events)) == {"distributed"}
    assert "ip" not in events[0].details
    assert events[0].details["user"] == "root"
    assert len(events[0].details["metadata"]["sources"]) == 10
    few = Log()
    for n in range(9):
        few.fail(n * 190, "root", f"203.0.113.{n % 9}")
    assert few.events() == []


def test_two_sources_on_one_account():
    log = Log()
    for n in range(6):
        log.fail(n * 10, "root", (A, B)[n % 2])
    (event, *_) = log.events()
    assert (event.details["user"], event.details["metadata"]["key"]) == ("root", "root")
    assert set(event.details["metadata"]["sources"]) == {A, B}


def test_an_account_is_not_told_again_for_sources_that_are():
    log = guesses(50)
    guesses(50, source=B, log=log)
    told = {event.details["metadata"]["key"] for event in log.events()}
    assert told >= {A, B}
    assert not any(e.details["metadata"]["technique"] == "distributed" for e in log.events())


def test_names_that_do_not_exist_make_no_events_by_themselves():
    log = Log()
    for n in range(400):
        log.fail(n * 7, f"name{n % 100}", f"10.{n // 250}.{n % 250}.1", exists=False)
    assert log.events(check=False) == []


def test_success_after_failures():
    log = guesses(7).succeed(100, "root", A)
    events = log.events()
    (critical,) = [e for e in events if e.severity == "CRITICAL"]
    assert (critical.details["ip"], critical.details["user"]) == (A, "root")
    assert critical.rule == "brute_force/success-after-failures"
    assert "T1078" in critical.techniques
    assert critical.evidence[0]["line"] == 8
    assert critical.details["metadata"]["attempts"] == 7
    assert {e.correlation_id for e in events} == {critical.correlation_id}


def test_stuffing():
    log = Log()
    for n in range(40):
        log.fail(n * 20, f"user{n}", A)
    events = log.events()
    assert techniques(events)[-1] == "stuffing"
    stuffing = next(e for e in events if e.details["metadata"]["technique"] == "stuffing")
    assert "25 users, each tried once," in stuffing.explanation
    assert "T1110.004" in stuffing.techniques
    assert len({e.correlation_id for e in events}) == 1


def test_success_after_spraying_names_who_got_in():
    log = Log()
    for n in range(12):
        log.fail(n * 200, f"user{n}", A)
    log.succeed(2500, "victim", A)
    critical = [e for e in log.events() if e.severity == "CRITICAL"]
    assert [e.details["user"] for e in critical] == ["victim"]


def test_success_after_a_distributed_attack():
    log = Log()
    for n in range(12):
        log.fail(n * 60, "root", f"203.0.113.{n}")
    log.succeed(800, "root", "203.0.113.3")
    assert [e.details["ip"] for e in log.events() if e.severity == "CRITICAL"] == ["203.0.113.3"]


def test_the_owner_under_attack_is_not_accused():
    log = Log().succeed(-HOUR, "root", B)
    for n in range(40):
        log.fail(n * 60, "root", f"203.0.113.{n}")
    log.fail(2500, "root", B).succeed(2510, "root", B)
    assert [e for e in log.events() if e.severity == "CRITICAL"] == []


def test_failures_long_ago_are_forgotten():
    log = guesses(7).succeed(7 * HOUR, "root", A)
    assert [e for e in log.events() if e.severity == "CRITICAL"] == []


def test_ipv6_is_counted_by_network():
    one = Log()
    for n in range(5):
        one.fail(n, "root", f"2001:db8:1:2::{n + 1}")
    (event,) = one.events()
    assert event.details["metadata"]["key"] == "2001:db8:1:2::/64"
    wide = Log()
    for n in range(5):
        wide.fail(n, "root", f"2001:db8:1:{n}::1")
    assert wide.events()[0].details["metadata"]["key"] == "2001:db8:1::/56"
    wider = Log()
    for n in range(5):
        wider.fail(n, "root", f"2001:db8:1:{n}00::1")
    assert wider.events()[0].details["metadata"]["key"] == "2001:db8:1::/48"


def test_two_parts_of_an_ipv6_network_are_not_enough():
    log = Log()
    for n in range(6):
        log.fail(n, f"user{n}", f"2001:db8:1:{n % 2}::1")
    assert log.events() == []


def test_mapped_addresses_are_the_same_source():
    log = Log()
    for n in range(6):
        log.fail(n, "root", (A, f"::ffff:{A}")[n % 2])
    assert {e.details["ip"] for e in log.events()} == {A}


@pytest.mark.parametrize("seed", range(5))
def test_a_benign_day_is_silent(seed):
    """Fifty users, three typing errors each before each of two logins; thirty share an address."""
    chance = random.Random(seed)
    log = Log()
    for number in range(50):
        user = f"user{number}"
        source = "192.0.2.1" if number < 30 else f"198.51.100.{number}"
        for start in (chance.uniform(0, 8 * HOUR), chance.uniform(12 * HOUR, 20 * HOUR)):
            wrong = 3 if start < 9 * HOUR else 0
            second = start
            for _ in range(wrong):
                log.fail(second, user, source)
                second += chance.uniform(3, 15)
            log.succeed(second, user, source)
    assert log.events(check=False) == []


def test_nine_in_the_morning():
    """Fifty users behind one address log in within ten minutes, each after three typing errors."""
    chance = random.Random(1)
    log = Log().succeed(-2 * HOUR, "early", "192.0.2.1")
    for number in range(50):
        second = chance.uniform(0, 600)
        for _ in range(3):
            log.fail(second, f"user{number}", "192.0.2.1")
            second += chance.uniform(2, 8)
        log.succeed(second, f"user{number}", "192.0.2.1")
    assert log.events(check=False) == []


def test_an_attacker_behind_that_address_is_found():
    log = Log()
    for number in range(20):
        log.fail(number * 30, f"user{number}", A).succeed(number * 30 + 10, f"user{number}", A)
    guesses(8, every=20, user="root", log=log)
    assert "guessing" in techniques(log.events())


def test_many_lines_of_one_try_are_one_try():
    text = []
    for n in range(4):
        text += [
            line(n * 10, f"Invalid user eve from {A} port {n + 1}", n),
            line(n * 10 + 1, f"Failed password for invalid user eve from {A} port {n + 1} ssh2", n),
            line(
                n * 10 + 2, f"Connection closed by invalid user eve {A} port {n + 1} [preauth]", n
            ),
        ]
    detector = BruteForce()
    assert list(detector.inspect(lines(*text, format=Syslog()))) == []


def test_state_is_bounded_and_a_slow_guesser_is_still_found():
    log = Log()
    chance = random.Random(2)
    for n in range(8_000):
        source = f"{chance.randint(11, 99)}.{chance.randint(0, 255)}.{n % 255}.{n % 7 + 1}"
        log.fail(n * 3, f"name{n % 2500}", source, exists=False)
    for n in range(20):
        log.fail(n * 1200, "root", A)
    tracemalloc.start()
    batch = log.batch()
    detector = BruteForce(max_keys=1000)
    before = tracemalloc.get_traced_memory()[0]
    events = list(detector.inspect(batch))
    batch.memo.clear()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 32 << 20
    assert detector.counts()["evicted"] > 5_000
    assert A in {event.details.get("ip") for event in events}


def test_any_mixture_is_independent_of_cuts():
    chance = random.Random(4)
    log = Log()
    for n in range(400):
        source = chance.choice([A, B, "2001:db8::1", "2001:db8:0:1::1", "2001:db8:0:2::1"])
        user = chance.choice(["root", "eve", "bob"])
        if chance.random() < 0.1:
            log.succeed(n * 40, user, source)
        else:
            log.fail(n * 40, user, source, exists=user != "eve")
    assert len(log.events()) > 5
