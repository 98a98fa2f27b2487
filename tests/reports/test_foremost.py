from mlids.reports.foremost import LONGEST, foremost, table
from mlids.testing import event
from tests.test_coverage import DAY, Memory, at


def grave(severity, seconds, ip, description="x", type="Port Scan"):
    details = {"ip": ip, "description": description}
    return event(type, severity, seconds=seconds, details=details, id=f"{seconds:08d}-0000")


def found(*events, most=8, query=""):
    stored = Memory(*sorted(events, key=lambda one: one.time_ns))
    return foremost(stored, at(0), at(DAY), most, query)


def test_one_line_an_entity_the_gravest_first():
    lines = found(
        grave("HIGH", 50, "192.0.2.1"),
        grave("HIGH", 60, "192.0.2.1"),
        grave("CRITICAL", 10, "192.0.2.2"),
        grave("HIGH", 40, "192.0.2.2"),
        grave("MEDIUM", 70, "192.0.2.3"),
    )
    assert [(one.entity, one.severity, one.count) for one in lines] == [
        ("192.0.2.2", "CRITICAL", 2),
        ("192.0.2.1", "HIGH", 2),
    ]
    assert lines[0].id == "00000010-0000"
    assert lines[0].last == grave("HIGH", 40, "x")["timestamp"]


def test_an_event_says_more_than_its_incident():
    story = grave("CRITICAL", 30, "192.0.2.1", "192.0.2.1: a → b", "Incident")
    assert found(story)[0].what == "a → b"
    (line,) = found(story, grave("CRITICAL", 20, "192.0.2.1", "user 'x' logged in"))
    assert (line.type, line.what) == ("Port Scan", "user 'x' logged in")


def test_only_what_matches_and_only_so_many():
    events = [grave("HIGH", n, f"192.0.2.{n}") for n in range(9)]
    assert len(found(*events, most=3)) == 3
    (line,) = found(*events, query="ip:192.0.2.5 OR ip:10.0.0.1")
    assert line.entity == "192.0.2.5"


def test_the_table_is_short():
    assert table([]) == []
    (made,) = table(found(grave("HIGH", 5, "192.0.2.1", "word " * 100)))
    (row,) = made.rows
    assert row[2] == "00000005"
    assert row[-1].startswith("Port Scan: word") and len(row[-1]) == LONGEST
