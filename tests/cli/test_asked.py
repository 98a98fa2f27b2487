import time
from types import SimpleNamespace

import click
import pytest

from mlids.cli.asked import Asked, check

NOW = time.time_ns()
NOTHING = {
    "search": "", "report": None, "plot": False, "output_dir": None, "days": 30.0, "since": None,
    "until": None, "kind": None, "group_by": None, "follow": False, "opened": False,
    "framework": (), "backtest": (), "as_json": False,
}  # fmt: skip


def asked(**options):
    return Asked(SimpleNamespace(), NOTHING | options)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"kind": "ecs", "report": "summary"}, "for events"),
        ({"kind": "ecs", "group_by": "ip"}, "for events"),
        ({"kind": "navigator", "report": "summary"}, "navigator"),
        ({"follow": True, "kind": "csv"}, "--follow"),
        ({"follow": True, "as_json": True}, "--follow"),
        ({"framework": ("gdpr",)}, "--framework"),
        ({"search": "x", "report": "incidents"}, "needs all events"),
        ({"search": "x", "backtest": ("a=1",)}, "needs all events"),
        ({"since": 5, "until": 5}, "before"),
        ({"since": NOW + 10**15}, "future"),
    ],
)
def test_what_does_not_go_together_is_wrong_use(options, word):
    with pytest.raises(click.UsageError, match=word):
        check(click.Context(click.Command("analyze")), NOTHING | options)


def test_what_goes_together():
    for options in ({}, {"search": "x", "report": "summary"}, {"since": 5, "until": 6}):
        check(click.Context(click.Command("analyze")), NOTHING | options)


def test_who_asks_for_nothing_gets_one_screen_about_now():
    assert asked().is_brief and asked().is_about_now
    assert not asked(report="summary").is_brief
    assert not asked(output_dir="x").is_brief
    assert not asked(until=NOW).is_about_now
    assert not asked(report="incidents").is_about_now


def test_what_is_opened_is_a_page():
    assert asked(opened=True).kind == "html"
    assert asked(opened=True, kind="md").kind == "md"


def test_a_search_lists_events_but_not_in_a_report():
    assert asked(search="x").lists_events
    assert asked(kind="cef").lists_events
    assert not asked(search="x", report="summary").lists_events
    assert not asked().lists_events


def test_days_are_counted_back_from_the_end():
    period = asked(days=2.0, until=10**18).period
    assert period.until_ns - period.since_ns == 2 * 86_400 * 10**9
