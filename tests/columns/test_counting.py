from mlids.columns.counting import RowCounts
from mlids.columns.rows import row
from mlids.tally import Tally
from mlids.testing import event

EVENTS = [
    event(details={"ip": "10.0.0.1", "user": "", "suppressed": 4}, seconds=-4000),
    event("XSS", "HIGH", details={"path": "/a", "target": "10.0.0.2"}, techniques=["T1", "T2", ""]),
    event(details={"user": "ж", "suppressed": 2}, techniques=["T1"], seconds=9000),
    event(details={"user": 5}).replace(host="gate"),
]


def test_rows_add_up_to_the_tally_of_their_events():
    counts = RowCounts()
    rows = [row(one.encoded(), 1) for one in EVENTS]
    counts.add(rows[:1])
    counts.add(rows[1:])
    assert [made.odd for made in rows] == [False, False, True, True]
    assert counts.tally() == Tally.of(EVENTS)


def test_nothing_adds_up_to_nothing():
    counts = RowCounts()
    counts.add([])
    assert counts.tally() == Tally()
