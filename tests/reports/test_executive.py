from __future__ import annotations

import msgspec
import pytest

from mlids.archive import Archive
from mlids.reports import executive
from mlids.store import EventStore
from mlids.testing import event
from mlids.verification import Verification
from tests.controls.test_attacks import guessed
from tests.controls.test_facts import NAMED_SINK, running, scan
from tests.reports.test_incidents import incident, stage
from tests.reports.test_summary import texts
from tests.test_coverage import DAY, Memory, at, gap, service

GOOD = Verification(records=1234, sealed=10, authentic=True)


def report(*events, **more) -> executive.ExecutiveReport:
    options = {"circumstances": NAMED_SINK, "verification": GOOD} | more
    stored = Memory(*sorted(events, key=lambda one: one.time_ns))
    return executive.report(stored, at(0), at(10 * DAY), at(20 * DAY), **options)


@pytest.mark.parametrize(
    ("events", "more", "word"),
    [
        ([*running(), event()], {}, "quiet"),
        ([*running(), scan(5)], {}, "troubled"),
        ([*running(), guessed("CRITICAL", 5)], {}, "not safe"),
        ([service("Started", 0), service("Stopped", 8 * DAY)], {}, "not known"),
        ([], {}, "not known"),
        (running(), {"verification": Verification(ok=False, bad="x")}, "relied on"),
    ],
)
def test_the_verdict_is_no_false_comfort(events, more, word):
    assert word in report(*events, **more).verdict


def test_sentences_have_numbers():
    text = " ".join(report(*running(), event(), scan(5), left_out=["x"]).sentences)
    assert "3 events were recorded; 1 of them were serious and 0 critical" in text
    assert "1 login failed" in text and "1,234 records were checked" in text
    assert "1 part of the records could not be read" in text
    assert "not checked" in " ".join(report(verification=None).sentences)


def test_the_three_most_important_happenings():
    grave = [event("Brute Force", "HIGH", seconds=n, details={"user": f"u{n}"}) for n in range(5)]
    found = report(*running(), *grave)
    assert len(found.happenings) == 3
    assert found.happenings[0].text == "Passwords were guessed (u4), 1 time"
    chain = incident(9, stage(1, "a", "T1046"), stage(2, "b", "T1110"), severity="CRITICAL")
    (one,) = report(*running(), chain).happenings
    assert one.text == "An attack in 2 steps, about 203.0.113.7: chain"


def test_trend_and_coverage():
    found = report(*running(), event(), gap(5, input="eth0", what="dropped"))
    assert "nothing to compare" in found.trend or "more than" in found.trend
    assert "1 source of information had gaps" in found.coverage
    earlier = [event(seconds=-60), event(seconds=-90), service("Started", -10 * DAY)]
    assert "2 events fewer than in the period before (-67 %)" in report(*earlier, event()).trend


def test_standings_are_a_line_each_and_advice_is_short():
    found = report(scan(5))
    assert len(found.standings) == 8
    assert all(one.text.count(",") == 3 for one in found.standings)
    assert len(found.recommendations) <= 5


def test_counts_are_asked_once():
    stored = Memory(*running(), event())
    asked, tally = [], stored.tally
    stored.tally = lambda *key: asked.append(key) or tally(*key)
    executive.report(stored, at(0), at(10 * DAY), at(20 * DAY), circumstances=NAMED_SINK)
    assert len(asked) == len(set(asked))


def test_the_document_fits_a_page_and_uses_no_jargon():
    document = executive.document(report(*running(), event(), scan(5), guessed("CRITICAL", 5)))
    assert len(document.sections) == 4
    text = texts(document)
    assert "no certificate" in text
    for word in ("correlation", "T1110", "NOT_ASSESSED", "tally"):
        assert word not in text
    assert "Nothing of note" in texts(executive.document(report(*running())))
    assert msgspec.json.encode(report(*running()))


def test_it_reads_an_archive(tmp_path):
    store = EventStore(tmp_path / "logs", max_size=4096)
    told = sorted(
        [*running(), *(event(seconds=n * 60) for n in range(60))], key=lambda e: e.time_ns
    )
    for one in told:
        store.append(one.stamped().encoded())
    store.close()
    span = at(0), at(10 * DAY), at(20 * DAY)
    found = executive.report(
        Archive(tmp_path / "logs"), *span, circumstances=NAMED_SINK, verification=GOOD
    )
    assert msgspec.json.encode(found) == msgspec.json.encode(
        executive.report(Memory(*told), *span, circumstances=NAMED_SINK, verification=GOOD)
    )
