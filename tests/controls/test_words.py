from __future__ import annotations

import pytest

from mlids.controls.words import counted, duration, moment, named, percent


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (41, "41 s"),
        (3600, "1 h"),
        (3660, "1 h 1 min"),
        (183_600, "2 d 3 h"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1, "100 %"),
        (0.99999, "over 99.9 %"),
        (0.932, "93.2 %"),
        (0.00001, "under 0.1 %"),
        (0, "0 %"),
    ],
)
def test_percent_does_not_round_to_all_or_nothing(share, text):
    assert percent(share) == text


def test_names_and_counts():
    assert named([]) == ""
    assert named(["a"]) == "a"
    assert named(["a", "b", "c"]) == "a, b and c"
    assert named(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert counted(1, "event") == "1 event"
    assert counted(1200, "event") == "1,200 events"
    assert counted(2, "loss", "losses") == "2 losses"
    assert moment("2025-01-13T10:30:45.000000Z") == "2025-01-13 10:30"
