import itertools

import numpy as np
import pytest

from mlids.plots.charts import COLOURS, HATCHES, Plots
from mlids.tally import Tally
from mlids.testing import START_NS, event

DAY_NS = 86_400 * 10**9
MADE = "2025-02-01T00:00:00Z"
EVENTS = [
    event(
        ("Failed Login", "Port Scan")[n % 2],
        ("LOW", "MEDIUM", "HIGH", "CRITICAL")[n % 4],
        seconds=n * 3600,
        details={"ip": f"192.0.2.{n % 14}"},
        techniques=["T1110.001"],
    )
    for n in range(200)
]


def plots(events=EVENTS, days=10, **options):
    return Plots(Tally.of(events), START_NS, START_NS + days * DAY_NS, MADE, **options)


def test_every_plot_is_drawn_and_told_in_words():
    found = dict(plots(anomalies=[{"since": "2025-01-15T00:00:00Z"}]).all())
    assert list(found) == [
        "events-over-time", "hours-and-weekdays", "top-sources", "types", "tactics", "anomalies",
    ]  # fmt: skip
    assert all(figure.png.startswith(b"\x89PNG") for figure in found.values())
    assert "200 events in 11 days" in found["events-over-time"].alternative
    assert "Failed Login 100, Port Scan 100" in found["types"].alternative
    assert "credential-access 200" in found["tactics"].alternative
    assert "1 unusual moments" in found["anomalies"].alternative
    assert found["top-sources"].alternative.count("192.0.2.") == 10


def test_short_periods_are_drawn_by_the_hour():
    assert "in 25 hours" in plots(days=1).over_time().alternative


def test_what_is_drawn_follows_the_counts():
    """Twice the events of one day make another picture; the same events make the same."""
    assert plots().over_time() == plots().over_time()
    assert plots(EVENTS + EVENTS[:24]).over_time().png != plots().over_time().png


@pytest.mark.parametrize("events", [[], EVENTS[:1]])
def test_little_or_nothing_is_drawn_too(events):
    for _, figure in plots(events).all():
        assert figure.png


def test_all_time_begins_with_the_first_event():
    drawn = Plots(Tally.of(EVENTS), 0, START_NS + DAY_NS, MADE).over_time()
    assert "in 25 hours" in drawn.alternative


def test_hostile_names_are_drawn_harmlessly():
    names = ["$\\frac", "\x1b[31m\x00", "x" * 5000, "\u202eab", "\ud800", "<b>", "日本語"]
    for name in names:
        assert plots([event(name, details={"ip": name})]).top("type", "t", "u").png


# Deuteranopia, severity 1 (Machado, Oliveira, Fernandes, 2009).
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
)


def test_severities_are_told_apart_by_the_colour_blind():
    def seen(colour):
        return DEUTERANOPIA @ [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]

    for one, other in itertools.combinations(COLOURS, 2):
        distance = np.linalg.norm(seen(COLOURS[one]) - seen(COLOURS[other]))
        assert distance > 0.2, (one, other)
        assert distance > 0.4 or HATCHES[one] != HATCHES[other]


def test_hours_of_weekdays_are_means():
    first, again = event(seconds=0), event(seconds=7 * 86_400)  # START_NS is a Monday, 10:30
    assert (
        "most events, 1.0 an hour, on Mon at 10:00"
        in plots([first, again]).hours_and_weekdays().alternative
    )
    once = plots([first], days=10).hours_and_weekdays()
    assert "0.5 an hour, on Mon" in once.alternative


def test_tactics_are_those_of_alerts():
    alerts = Tally.of(EVENTS[:7])
    assert "credential-access 7" in plots(alerts=alerts).tactics().alternative
