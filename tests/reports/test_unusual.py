from mlids.anomalies import Anomaly
from mlids.reports.unusual import SHOWN, section


def anomaly(n, by="type", minute=0):
    made = Anomaly(
        by, f"v{n}", f"2025-01-13T10:{minute:02d}:00.000000Z", "2025-01-13T10:05:00.000000Z",
        2.0, 90, 12.5, 3.5, "mad", "this hour of the week",
    )  # fmt: skip
    return {name: getattr(made, name) for name in made.__struct_fields__}


def test_each_is_told_with_what_is_usual():
    (table,) = section([anomaly(1), anomaly(2, "ip", minute=5)], 24).tables
    assert table.rows == [
        ["2025-01-13 10:00", "type v1", "90; 2 is usual", ""],
        ["2025-01-13 10:05", "address v2", "90; 2 is usual", ""],
    ]
    assert "mad" in table.note and "hour of the week" in table.note


def test_the_rest_is_counted():
    (table,) = section([anomaly(n, minute=n) for n in range(SHOWN + 3)], 24).tables
    assert len(table.rows) == SHOWN
    assert "3 further moments" in table.note


def test_one_burst_has_one_line():
    found = [anomaly(1, "ip"), anomaly(2), *(anomaly(n, "user") for n in range(3))]
    (table,) = section(found, 24).tables
    (row,) = table.rows
    assert row[1:] == ["address v1", "90; 2 is usual", "type v2 and 3 users"]


def test_nothing_unusual_is_said():
    made = section([], 24)
    assert made.title == "Unusual in the last 24 hours"
    assert made.paragraphs and not made.tables
