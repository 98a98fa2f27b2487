from __future__ import annotations

from mlids.coverage import Period
from mlids.inputgaps import InputGap
from mlids.reports import tables
from mlids.tally import Tally
from mlids.testing import event


def period(day: int, seconds: float = 60) -> Period:
    return Period(
        f"2025-01-{day:02d}T00:00:00.000000Z", f"2025-01-{day:02d}T00:01:00.000000Z", seconds
    )


def test_the_head_of_a_document():
    made = tables.document(
        "T",
        "2025-01-13T10:30:45.000000Z",
        "2025-02-13T00:00:00.000000Z",
        "2025-02-14T01:02:03.000000Z",
        [],
    )
    assert made.subtitle == "2025-01-13 10:30 to 2025-02-13 00:00 UTC"
    assert made.made == "2025-02-14 01:02:03 UTC"


def test_top_is_the_most_frequent_in_order():
    users = ["b", "a", "a", "c", "c"]
    tally = Tally.of(event(details={"user": user}) for user in users)
    assert list(tables.top(tally, "user", 2).items()) == [("a", 2), ("c", 2)]
    assert tables.top(tally, "ip", 2) == {}


def test_the_longest_periods_are_shown_in_their_order():
    assert tables.unwatched([]) == []
    (table,) = tables.unwatched([period(day, 60 + day) for day in range(1, 26)])
    assert len(table.rows) == 20
    assert table.rows[0][0] == "2025-01-06 00:00"
    assert table.note == "5 further periods are not shown"


def test_gaps_begin_with_the_longest_silence():
    assert tables.gaps([]) == []
    found = [InputGap("a", "dropped", 9), InputGap("b", "silent", 1, silent_s=60)]
    (table,) = tables.gaps(found)
    assert [row[0] for row in table.rows] == ["b", "a"]
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert table.note == ""


def test_a_table_is_cut_and_says_so():
    long = tables.counts("By type", "type", {str(n): n for n in range(9)})
    short = tables.cut(long, 4)
    assert len(short.rows) == 4 and short.note == "And 5 more."
    assert tables.cut(long, 9) is long
