import msgspec

from mlids.backtest import document
from mlids.renderings.text import render


def test_the_verdict_comes_first_and_every_detection_has_its_row(house):
    house.store(house.attacked())
    report = house.backtest("brute_force_threshold=8")
    made = document(report)
    assert made.title == "Backtest: thresholds.brute_force_threshold 8 instead of 5"
    assert made.sections[0].paragraphs == [report.verdict]
    text = render(made)
    for one in report.gone:
        assert one.entity in text and one.event[:8] in text and one.why in text
    assert "reproduced 4 of 4 stored detections" in text and "Read again: 1 file" in text


def test_long_lists_say_what_they_leave_out(house):
    house.attackers = {f"203.0.113.{n}": 5 for n in range(1, 31)}
    house.store(house.attacked())
    report = house.backtest("brute_force_threshold=8")
    assert report.gone_in_all >= 30
    assert "further detections are not shown" in render(document(report))


def test_doubts_are_marked(house):
    house.store(house.attacked())
    report = house.backtest("brute_force_threshold=8")
    doubtful = msgspec.structs.replace(report.gone[0], sure=False, succeeded="2025-01-13T11:00:00Z")
    report.gone = [doubtful]
    text = " ".join(render(document(report)).split())
    assert "perhaps: 5 failed" in text and "LOGGED IN at" in text
