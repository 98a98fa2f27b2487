"""The whole of it: what other settings would have told of what a real scan stored."""

import gzip
import random

import msgspec
import pytest

from mlids.backtest import document
from mlids.capture.crafting import Frame, ethernet, ipv4, tcp, write_pcap
from mlids.errors import ConfigError, MLIDSError
from mlids.renderings.text import render
from mlids.testing import START_NS, event
from mlids.volume import NS

KEY = "thresholds.brute_force_threshold"


def addresses(*last):
    return {f"203.0.113.{n}" for n in last}


@pytest.fixture(params=["the log is there", "the log is gone", "the log was rotated"])
def attacked(request, house):
    house.store(house.attacked())
    if request.param == "the log is gone":
        house.log.unlink()
    if request.param == "the log was rotated":
        packed = house.log.with_name("auth.log.1.gz")
        packed.write_bytes(gzip.compress(house.log.read_bytes()))
        house.log.write_text(house.line(80_000, "192.0.2.1"))
    house.read_again = request.param != "the log is gone"
    return house


def test_a_higher_threshold_silences_exactly_those_below_it(attacked):
    report = attacked.backtest(f"{KEY}=8")
    assert attacked.of(report.gone) == addresses(5, 6, 7)
    assert not report.new
    whys = {one.entity: one.why for one in report.gone}
    assert whys["203.0.113.6"] == "6 failed logins, 8 needed"
    assert all(one.event and one.sure for one in report.gone)
    assert (report.check.stored, report.check.reproduced) == (4, 4)
    assert f"{KEY} 8 instead of 5 would have silenced 3 of 4 detections" in report.verdict
    assert report.noise_before == report.noise_stored
    assert report.noise_after.events < report.noise_before.events
    assert bool(report.read) == attacked.read_again


def test_a_lower_threshold_adds_exactly_those_above_it(attacked):
    report = attacked.backtest("brute_force_threshold=3")
    assert attacked.of(report.new) == addresses(3, 4)
    assert not report.gone
    assert "would have told 2 further detections" in report.verdict
    assert next(one.why for one in report.new).startswith("3 failed logins from 203.0.113.3")


def test_the_settings_as_they_are_change_nothing(attacked):
    report = attacked.backtest(f"{KEY}=5")
    assert not (report.gone or report.new or report.severity)
    assert "no difference" in report.verdict
    assert f"{KEY} has this value already" in report.notes


def test_several_changes_hold_together(attacked):
    report = attacked.backtest(f"{KEY}=8", "detectors.brute_force.window_s=30")
    assert attacked.of(report.gone) == addresses(5, 6, 7, 12)
    assert [change.key for change in report.changes] == [KEY, "detectors.brute_force.window_s"]


def test_who_logged_in_after_a_silenced_attack_is_named(house):
    guesses = [house.line(10 * n, "203.0.113.9", pid=n) for n in range(6)]
    login = house.line(30_000, "203.0.113.9", pid=99, verb="Accepted")
    house.log.write_text("".join([*guesses, login]))
    house.store(house.log)
    house.log.unlink()
    report = house.backtest(f"{KEY}=8")
    assert report.succeeded == 1
    assert next(one for one in report.gone if one.type == "Brute Force").succeeded
    assert "look at these before you change it" in report.verdict


def test_what_is_told_as_less_grave_is_named(house):
    guesses = [house.line(60 * n, "203.0.113.9", pid=n) for n in range(16)]
    login = house.line(1000, "203.0.113.9", pid=99, verb="Accepted")
    house.log.write_text("".join([*guesses, login]))
    house.store(house.log)
    report = house.backtest(f"{KEY}=20")  # 15 in 6 hours are still an attack
    changed = [one for one in report.severity if one.type == "Brute Force"]
    assert [(one.was, one.severity) for one in changed] == [("CRITICAL", "HIGH")]
    assert "Brute Force" not in {one.type for one in report.gone}
    assert "at another severity" in report.verdict


def scan(ip, ports, seconds=0):
    """A SYN scan whose probes are refused."""
    frames = []
    for n, port in enumerate(ports):
        at = START_NS + int(seconds * NS) + n * 100_000_000
        probe = tcp(40_000, port, flags="S")
        answer = tcp(port, 40_000, flags="RA")
        frames.append(Frame(at, ethernet(ipv4(ip, "10.0.0.5", 6, probe))))
        frames.append(Frame(at + 1_000_000, ethernet(ipv4("10.0.0.5", ip, 6, answer))))
    return frames


def port_scan(ip, distinct, threshold=10, **more):
    text = f"{distinct} distinct closed or unanswered ports by {ip}, {threshold} of them in the"
    return event(
        "Port Scan",
        "HIGH",
        source="network",
        rule="port_scan",
        details={
            "ip": ip,
            "target": "10.0.0.5",
            "metadata": {"technique": "syn", "distinct": distinct, "threshold": threshold},
        },
        explanation=f"{text} last 1.0 s; threshold {threshold} in 60 s; triggered 1 times",
        evidence=[{"source": "eth0", "frame": 7}],
        **more,
    )


def test_scans_of_live_packets_are_judged_by_what_was_recorded(house):
    house.keep(
        [
            port_scan("198.51.100.1", 10),
            port_scan("198.51.100.2", 10, seconds=60),
            port_scan("198.51.100.2", 40, seconds=90),
        ]
    )
    report = house.backtest("port_scan_threshold=20")
    assert house.of(report.gone, "Port Scan") == {"198.51.100.1"}
    assert report.gone[0].why == "10 distinct ones, 20 needed" and report.gone[0].sure
    perhaps = house.backtest("port_scan_threshold=15").gone
    assert [(one.entity, one.sure) for one in perhaps] == [("198.51.100.1", False)]


def test_a_lower_threshold_says_that_nobody_knows_what_it_would_add(house):
    house.keep([port_scan("198.51.100.1", 10)])
    report = house.backtest("port_scan_threshold=5")
    assert not (report.gone or report.new)
    assert any("port_scan: what stayed below" in note for note in report.notes)


def test_a_recording_that_is_there_is_read_again(house):
    path = house.folder / "scans.pcap"
    frames = scan("198.51.100.1", range(1, 13)) + scan("198.51.100.2", range(1, 41), 600)
    frames += scan("198.51.100.3", range(1, 8), 1200)
    write_pcap(path, frames)
    found = house.store(path)
    assert {one.entity for one in found if one.type == "Port Scan"} == {
        "198.51.100.1",
        "198.51.100.2",
    }
    higher = house.backtest("port_scan_threshold=15")
    assert house.of(higher.gone, "Port Scan") == {"198.51.100.1"} and not higher.new
    lower = house.backtest("port_scan_threshold=6")
    assert house.of(lower.new, "Port Scan") == {"198.51.100.3"} and not lower.gone


def test_a_detector_that_is_switched_off_tells_nothing(house):
    house.keep([port_scan("198.51.100.1", 10)])
    report = house.backtest("detectors.port_scan.enabled=false")
    assert [one.why for one in report.gone] == ["port_scan is switched off"]


def test_thresholding_holds_back_what_is_stored(house):
    house.keep([port_scan("198.51.100.1", 10, seconds=n) for n in range(20)])
    rule = "{type: Port Scan, kind: limit, count: 3, seconds: 3600}"
    report = house.backtest(f"logging.thresholding=[{rule}]")
    assert (report.noise_before.events, report.noise_after.events) == (20, 3)


def test_rules_of_correlators_are_tried_over_what_is_stored(house):
    house.store(house.attacked())
    rule = "{name: many, match: {type: Failed Login}, by: ip, count: 7, seconds: 600}"
    report = house.backtest(f"correlators.threshold.rules=[{rule}]")
    assert house.of(report.new, "Threshold Exceeded") == addresses(7, 12)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("thresholds.brute_forc_threshold=8", "did you mean thresholds.brute_force_threshold"),
        (f"{KEY}=many", "expected `int`"),
        (f"{KEY}=1", ">= 2"),
        ("thresholds=8", "a section of keys is expected"),
        ("enabled=true", "is ambiguous"),
        (KEY, "is no KEY=VALUE"),
    ],
)
def test_what_the_configuration_does_not_take_is_refused(house, change, words):
    with pytest.raises(MLIDSError) as caught:
        house.backtest(change)
    assert caught.value.code == "E002" and words in caught.value.message
    assert isinstance(caught.value, ConfigError) or "KEY=VALUE" in caught.value.message


def test_the_configuration_stays_as_it_is(house):
    house.backtest(f"{KEY}=8")
    assert house.manager.settings.thresholds.brute_force_threshold == 5
    assert not house.manager.path.exists()


def test_a_setting_that_tells_nothing_says_so(house):
    house.store(house.attacked())
    report = house.backtest("sinks.tcp.port=7000")
    assert "sinks.tcp.port reaches no detector and no correlator" in report.notes
    report = house.backtest("monitors.logs.timezone=Europe/Berlin")
    assert any("how inputs are read" in note for note in report.notes)


def hostile(dice):
    """Events as nobody would store them."""
    broken = [None, "", "x" * 3000, -1, 1 << 70, 1.5, [], {}, [{}], "\x1b[31m", True, "5 5"]
    pick = lambda: dice.choice(broken)  # noqa: E731
    details = {
        name: pick()
        for name in ("ip", "user", "target", "port", "user_exists", "service", "source_host")
    }
    details["metadata"] = dice.choice(
        [pick(), {"threshold": pick(), "distinct": pick(), "amount": pick()}]
    )
    place = {"source": dice.choice(["/dev/zero", "-", "\0", "/", *broken]), "line": pick()}
    return event(
        dice.choice(["Failed Login", "Successful Login", "Port Scan", "Brute Force", "Incident"]),
        details=details,
        seconds=dice.randrange(3600),
    ).replace(
        rule=dice.choice(["login/sshd", "port_scan", "brute_force/guessing", "incident", *broken]),
        evidence=dice.choice([pick(), [{**place, "offset": pick()}]]),
        explanation=pick(),
        id=pick(),
    )


def test_hostile_events_never_end_it(house):
    dice = random.Random(1)
    lines = [hostile(dice).encoded() + b"\n" for _ in range(600)]
    house.logs.mkdir()
    (house.logs / "mlids.jsonl").write_bytes(b"".join(lines))
    for change in (f"{KEY}=3", "port_scan_threshold=20", "detectors.sigma.enabled=false"):
        report = house.backtest(change)
        assert msgspec.json.encode(report)
        assert "\x1b" not in render(document(report))


def test_nothing_stored_is_an_answer_too(house):
    report = house.backtest(f"{KEY}=8")
    assert report.detections == 0 and "no difference" in report.verdict


def test_only_the_period_is_compared(house):
    house.store(house.attacked())
    report = house.backtest(f"{KEY}=8", since_ns=START_NS + 150 * NS)
    assert house.of(report.gone) == addresses(6, 7)


def test_a_file_that_is_too_large_is_not_read(house):
    house.store(house.attacked())
    report = house.backtest(f"{KEY}=8", most_bytes=100)
    assert not report.read and house.of(report.gone) == addresses(5, 6, 7)
    assert any("more than 100 bytes" in note for note in report.notes)
