from __future__ import annotations

import time

import msgspec
import pytest

from mlids.documents import Document
from mlids.events import format_time
from mlids.reports import summary
from mlids.tally import HOUR_S, Tally
from mlids.testing import START_NS, event
from tests.controls.test_facts import running, scan
from tests.test_coverage import DAY, Memory, at, gap, service


def report(*events, days: float = 10, **more) -> summary.SummaryReport:
    stored = Memory(*sorted(events, key=lambda one: one.time_ns))
    return summary.report(stored, at(0), at(days * DAY), at(20 * DAY), **more)


def texts(document: Document) -> str:
    """Everything that a document says."""
    return str(msgspec.to_builtins(document))


def suppressed(seconds: float, *lines: object, left_out: int = 0):
    total = sum(line["hits"] for line in lines if isinstance(line, dict) and line["hits"] != "x")
    told = {"lines": list(lines), "left_out": left_out}
    details = {"description": "x", "suppressed": total + left_out, "metadata": told}
    return event("Events Suppressed", "LOW", source="system", seconds=seconds, details=details)


def test_the_keys_of_before_keep_their_meaning():
    events = [event(seconds=n * 3000, details={"ip": f"192.0.2.{n % 3}"}) for n in range(20)]
    now = msgspec.to_builtins(report(*events), str_keys=True)
    stamps = sorted(one["timestamp"] for one in events)
    assert now["total"] == 20
    assert (now["since"], now["until"]) == (format_time(at(0)), format_time(at(10 * DAY)))
    assert (now["first"], now["last"]) == (stamps[0], stamps[-1])
    assert now["by_type"] == {"Failed Login": 20}
    assert now["by_severity"] == {"MEDIUM": 20}
    assert now["by_source"] == {"application": 20}
    assert now["by_hour"]["10"] == sum(stamp[11:13] == "10" for stamp in stamps)
    assert now["top_addresses"] == {"192.0.2.0": 7, "192.0.2.1": 7, "192.0.2.2": 6}


def test_days_and_tops():
    users = [event(seconds=n * DAY, details={"user": f"u{n % 4}", "path": "/x"}) for n in range(9)]
    found = report(*users, top=2)
    assert list(found.by_day) == sorted(found.by_day) and sum(found.by_day.values()) == 9
    assert found.top_users == {"u0": 3, "u1": 2}
    assert found.top_paths == {"/x": 9}
    assert found.top_rules == {"login/sshd": 9}


def test_change_against_the_period_before():
    before = [*(event(seconds=-n * 60 - 60) for n in range(4)), event("XSS", seconds=-5)]
    old = service("Started", -11 * DAY)
    now = [*(event(seconds=n * 60) for n in range(6)), scan(100)]
    change = report(old, *before, *now).change
    assert (change.total, change.difference, change.percent) == (5, 2, 40.0)
    by = {one.type: one for one in change.by_type}
    assert (by["Failed Login"].difference, by["Failed Login"].percent) == (2, 50.0)
    assert by["Port Scan"].percent is None
    assert (change.appeared, change.vanished) == (["Port Scan"], ["XSS"])
    assert change.complete


def test_where_the_log_begins_later_it_says_so():
    change = report(event(seconds=5)).change
    assert not change.complete
    assert change.note == "no earlier data: the log begins later"
    assert (change.percent, change.appeared) == (None, [])
    half = report(event(seconds=-DAY), event(seconds=5)).change
    assert not half.complete and "begins only at 2025-01-12 10:30" in half.note


def test_a_comparison_of_times_that_were_watched_unequally_is_unfair():
    found = report(service("Started", -11 * DAY), service("Stopped", -9 * DAY), *running(), event())
    assert "watched 100 % of this period" in found.change.note or "over 99.9 %" in found.change.note


def test_what_was_held_back():
    line = {"suppression": "s1", "meant": "ip 192.0.2.7; a scanner", "type": "Port Scan", "hits": 7}
    line |= {"first": "2025-01-14", "last": "2025-01-15"}
    found = report(
        suppressed(100, line, {"suppression": "s2", "type": "XSS", "hits": 1}, "odd"),
        suppressed(200, line | {"hits": 3, "last": "2025-01-16"}, left_out=4),
        suppressed(300, {"suppression": "s1", "type": "Port Scan", "hits": "x"}),
        event(details={"suppressed": 9, "description": "a scan"}),
    )
    assert found.held_back == 9  # what was not stored is not counted among what events stand for
    first, further, second = found.suppressed
    assert (first.name, first.count, first.meant) == ("s1", 10, "ip 192.0.2.7; a scanner")
    assert (first.first, first.last) == ("2025-01-14", "2025-01-16")
    assert (further.count, second.name, second.count) == (4, "s2", 1)
    text = texts(summary.document(found))
    assert "9 repeats" in text and "a scanner" in text


def test_a_query_chooses_the_counts_but_not_the_coverage():
    found = report(*running(), event(), scan(5), query='type:"Port Scan"')
    assert found.by_type == {"Port Scan": 1}
    assert found.coverage.starts == 0 and found.coverage.share == pytest.approx(1, abs=1e-5)


def test_what_is_not_in_the_counts_is_said():
    lost = gap(50, input="eth0", what="dropped", amount=3)
    found = report(lost, left_out=["mlids.jsonl: line 7 is no event"])
    text = texts(summary.document(found))
    assert "line 7 is no event" in text and "eth0" in text and "MLIDS watched" in text


def test_the_document_is_whole_for_nothing_and_for_much():
    for found in (report(), report(*running(), event(), scan(5))):
        document = summary.document(found)
        assert document.title and document.subtitle.endswith("UTC")
        for section in document.sections:
            for table in section.tables:
                assert all(len(row) == len(table.columns) for row in table.rows)
        assert msgspec.json.encode(found)


class Huge(Memory):
    """Ten million events, as their counts: a month of hours, half a million addresses."""

    def tally(self, query, since_ns=0, until_ns=None):
        return self.huge

    huge = Tally(
        total=10_000_000,
        first_ns=START_NS,
        last_ns=at(30 * DAY),
        cells={
            (START_NS // 10**9 // HOUR_S * HOUR_S + hour * HOUR_S, f"type {t}", s, "network"): 100
            for hour in range(720)
            for t in range(15)
            for s in ("LOW", "HIGH")
        },
        values={
            "ip": {f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}": n % 97 for n in range(500_000)},
            "user": {f"user-{n}": n % 13 for n in range(50_000)},
        },
    )


def test_beyond_the_tally_it_takes_little_time():
    begun = time.perf_counter()
    found = summary.report(Huge(event()), at(0), at(30 * DAY), at(30 * DAY))
    took = time.perf_counter() - begun
    assert found.total == 10_000_000 and len(found.top_addresses) == 10
    assert took < 0.9, f"{took:.2f} s"  # 0.3 s are asked; a busy machine may be thrice as slow
    assert found.last == format_time(at(30 * DAY))


def test_a_screen_has_what_matters_and_not_all():
    high = event("Port Scan", "HIGH", seconds=5, details={"ip": "192.0.2.9"})
    many = [event(f"Type {n}", seconds=n) for n in range(12)]
    shown = summary.brief(summary.document(report(high, *many)))
    titles = [table.title for section in shown.sections for table in section.tables]
    assert titles == ["Look at these first", "By type"]
    assert [len(section.tables[0].rows) for section in shown.sections] == [1, summary.BRIEF]
    assert "And 8 more." in texts(shown)
    assert "13 events: 1 HIGH and 12 MEDIUM." in texts(shown)


def test_an_empty_log_is_said():
    assert "the log is empty" in texts(summary.brief(summary.document(report())))
