from __future__ import annotations

import msgspec

from mlids.floods.history import MINUTE_NS, History


def known(rates: list[float]) -> History:
    history = History()
    history.begin(MINUTE_NS)
    for minute, rate in enumerate(rates):
        if rate:
            history.note("host", (1 + minute) * MINUTE_NS + 5, rate)
    return history


def test_nothing_is_usual_at_first() -> None:
    assert known([400.0] * 29).usual("host", 30 * MINUTE_NS) == 0.0
    assert known([400.0] * 30).usual("host", 31 * MINUTE_NS) > 0.0


def test_median_and_spread() -> None:
    history = known([400.0, 410.0, 390.0] * 20)
    # median 400, MAD 10, but at least 5 % of the median
    assert history.usual("host", 61 * MINUTE_NS) == 400 + 8 * 20
    wide = known([300.0, 400.0, 500.0] * 20)
    assert wide.usual("host", 61 * MINUTE_NS) == 400 + 8 * 100


def test_quiet_minutes_count() -> None:
    assert known([400.0] + [0.0] * 59).usual("host", 61 * MINUTE_NS) == 0.0
    assert known([400.0] * 60).usual("other", 61 * MINUTE_NS) == 0.0


def test_a_flood_does_not_make_itself_usual() -> None:
    history = known([0.0] * 60 + [9000.0] * 300)
    assert history.usual("host", 61 * MINUTE_NS) == 0.0


def test_the_busiest_second_of_a_minute_counts() -> None:
    history = known([])
    for rate in (100.0, 900.0, 200.0):
        history.note("host", MINUTE_NS, rate)
    for minute in range(2, 60):
        history.note("host", minute * MINUTE_NS, 900.0)
    assert history.usual("host", 60 * MINUTE_NS) == 900 + 8 * 45


def test_a_day_is_remembered() -> None:
    history = known([400.0] * 1440)
    for minute in range(1441, 1441 + 1440):
        history.note("host", minute * MINUTE_NS, 800.0)
    assert history.usual("host", 2881 * MINUTE_NS) == 800 + 8 * 40


def test_bounded_and_saved() -> None:
    history = History(most=10)
    history.begin(0)
    for n in range(25):
        history.note(f"host{n}", MINUTE_NS, 100.0)
    assert history.evicted == 15
    source = known([400.0] * 60)
    again = History()
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(source.save())))
    assert again.usual("host", 61 * MINUTE_NS) == source.usual("host", 61 * MINUTE_NS) > 0
