from __future__ import annotations

import pytest

from mlids.detectors.web_scan import WebScan
from mlids.formats.nginx import Nginx
from mlids.testing import START_NS, check_detector, heartbeat, lines

START = 10 * 3600 + 30 * 60


def line(second, path, status=404, src="1.2.3.4", agent="Mozilla/5.0"):
    at = START + second
    clock = f"{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}"
    return f'{src} - - [13/Jan/2025:{clock} +0000] "GET {path} HTTP/1.1" {status} 162 "-" "{agent}"'


def told(*text, **options):
    return check_detector(lambda: WebScan(**options), lines(*text, format=Nginx()))


def types(events):
    return [(event.rule, event.details.get("ip")) for event in events]


@pytest.mark.parametrize(("count", "events"), [(9, 0), (10, 1)])
def test_different_things_that_are_not_there(count, events):
    found = told(*(line(n, f"/p{n}.php") for n in range(count)))
    assert types(found) == [("web_scan/probing", "1.2.3.4")] * events
    for event in found:
        assert (event.type, event.severity) == ("Web Scan", "MEDIUM")
        assert "10 different paths failed (threshold 10) within 60 s" in event.explanation
        assert [place["line"] for place in event.evidence] == list(range(10, 0, -1))


def test_slower_ones_are_seen_on_longer_horizons():
    (event,) = told(*(line(n * 20, f"/p{n}") for n in range(25)))
    assert event.details["metadata"]["window_s"] == 600
    (event,) = told(*(line(n * 600, f"/p{n}") for n in range(60)))
    assert event.details["metadata"]["window_s"] == 86400
    assert told(*(line(n * 60, f"/p{n}") for n in range(9))) == []


def test_the_same_thing_again_is_no_scan():
    assert told(*(line(n, "/favicon") for n in range(100))) == []


def test_a_page_with_missing_pictures_is_no_scan():
    assert told(*(line(0, f"/img/{n}.png") for n in range(100))) == []


def test_who_mostly_finds_what_he_looks_for_does_not_scan():
    text = []
    for n in range(40):
        text += [line(n, f"/old/{n}"), line(n, f"/a/{n}", 200), line(n, f"/b/{n}", 200)]
    assert told(*text) == []
    assert len(told(*text, share=0.3)) > 0


def test_sources_are_counted_apart():
    assert told(*(line(n, f"/p{n}", src=f"1.2.3.{n}") for n in range(50))) == []
    v6 = [line(n, f"/p{n}", src=f"2001:db8::{n:x}") for n in range(10)]
    assert types(told(*v6)) == [("web_scan/probing", "2001:db8::9")]


def test_marks_of_scanners():
    found = told(
        line(0, "/", 200, agent="sqlmap/1.8"),
        line(1, "/.git/config", 404),
        line(2, "/wp-login.php", 200),
    )
    assert types(found) == [
        ("web_scan/scan-agent", "1.2.3.4"),
        ("web_scan/scan-hidden-file", "1.2.3.4"),
    ]
    assert types(told(line(2, "/wp-login.php", 404))) == [("web_scan/scan-login-page", "1.2.3.4")]


def test_what_goes_on_is_told_by_the_volume_law():
    found = told(*(line(n // 50, f"/p{n}") for n in range(1000)))
    assert len(found) <= 5
    assert sum(1 + event.details["suppressed"] for event in found) == 991
    agents = told(*(line(n // 50, "/", 200, agent="Nikto") for n in range(1000)))
    assert sum(1 + event.details["suppressed"] for event in agents) == 1000
    assert len(agents) <= 5


def test_it_ends_with_silence():
    detector = WebScan()
    said = list(detector.inspect(lines(*(line(n, f"/p{n}") for n in range(15)), format=Nginx())))
    (rest,) = detector.inspect(heartbeat(START_NS + 3600 * 10**9))
    assert len(said) == 1
    assert rest.details["suppressed"] == 4


def test_sources_remembered_are_bounded():
    detector = WebScan(max_keys=100)
    text = [line(n // 100, f"/{n}", src=f"10.{n // 250}.0.{n % 250}") for n in range(3000)]
    assert list(detector.inspect(lines(*text, format=Nginx()))) == []
    assert detector.counts()["evicted"] >= 2900


def test_garbage_says_nothing():
    assert told("", "\x00" * 99, line(0, "\xff"), '" 4' * 500, '1.2.3.4 - - [] "x" 404 1') == []
