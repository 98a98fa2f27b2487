import msgspec
import pytest

from mlids.backtest.report import Check, Unjudged
from mlids.backtest.verdicts import verdict
from mlids.testing import event


@pytest.fixture
def report(house):
    house.store(house.attacked())
    return house.backtest("brute_force_threshold=8")


def told(report, **changes):
    return verdict(msgspec.structs.replace(report, **changes))


def test_one_sentence_says_what_would_have_changed(report):
    assert report.verdict == (
        "thresholds.brute_force_threshold 8 instead of 5 would have silenced 3 of 4 detections;"
        f" {report.noise_after.events:g} events a day instead of {report.noise_before.events:g}."
    )


def test_every_effect_and_every_doubt_is_named(report):
    text = told(
        report,
        new_in_all=2,
        severity_in_all=1,
        unsure=1,
        succeeded=2,
        check=Check(43, 41, []),
        unjudged=[Unjudged("port_scan", 5, "why")],
    )
    for words in (
        "would have told 2 further detections",
        "1 detection at another severity",
        "1 of the silenced ones may still be told",
        "2 addresses of the silenced ones logged in successfully afterwards",
        "reproduced 41 of 43 stored detections",
        "5 stored events could not be judged",
    ):
        assert words in text


def test_no_difference_is_said_as_such(report):
    assert "no difference that can be known" in told(report, gone_in_all=0)


def test_what_was_suppressed_is_noted(house):
    told = {"suppressed": 7}
    house.keep([event("Events Suppressed", "LOW", source="system", details=told)])
    notes = house.backtest("brute_force_threshold=8").notes
    assert any("kept 7 events out of the store" in note for note in notes)
