from __future__ import annotations

import msgspec

from mlids.events import Event, format_time
from mlids.reports import incidents
from mlids.testing import event
from tests.controls.test_facts import scan
from tests.reports.test_summary import texts
from tests.test_coverage import DAY, Memory, at


def stage(seconds: float, tactic: str, technique: str, *ids: str, count: int = 1) -> dict:
    when = format_time(at(seconds))
    told = {"tactic": tactic, "technique": technique, "type": "Port Scan", "first": when}
    return told | {"last": when, "count": count, "events": list(ids), "description": f"{tactic}!"}


def incident(
    seconds: float, *stages: dict, key: str = "c-1", severity: str = "HIGH", **told
) -> Event:
    metadata = {"entity": "203.0.113.7", "stages": list(stages), "risk": 1.5} | told
    details = {"description": "chain", "metadata": metadata}
    more = {"source": "system", "seconds": seconds, "correlation_id": key, "details": details}
    return event("Incident", severity, **more)


def report(*events: Event, **more) -> incidents.IncidentReport:
    stored = Memory(*sorted(events, key=lambda one: one.time_ns))
    return incidents.report(stored, at(0), at(10 * DAY), at(20 * DAY), **more)


def test_the_last_telling_wins():
    first = scan(-60).replace(id="e-1", host="h")
    later = event("Brute Force", "HIGH", seconds=500, correlation_id="c-1").replace(
        id="e-2", host="h"
    )
    found = report(
        first,
        later,
        incident(100, stage(-60, "reconnaissance", "T1046", "e-1")),
        incident(
            600,
            stage(500, "credential-access", "T1110", "e-2", "e-3", count=2),
            stage(-60, "reconnaissance", "T1046", "e-1"),
            severity="CRITICAL",
            risk=2.5,
        ),
    )
    (one,) = found.incidents
    assert (one.severity, one.risk, one.told, one.entity) == ("CRITICAL", 2.5, 2, "203.0.113.7")
    assert one.tactics == ["reconnaissance", "credential-access"]
    assert [event.id for event in one.events] == ["e-1", "e-2"]
    assert one.missing == 1  # e-3 is no longer in the log
    assert one.first == format_time(at(-60))
    assert found.strongest == [] and found.note == ""


def test_the_gravest_come_first_and_only_so_many():
    many = [incident(n * 10, key=f"c-{n}", risk=n) for n in range(5)]
    worst = incident(7, key="c-x", severity="CRITICAL", risk=0)
    found = report(*many, worst, top=2)
    assert [one.id for one in found.incidents] == ["c-x", "c-4"]
    assert found.total == 6


def test_without_incidents_the_strongest_detections_are_listed():
    guesses = event("Brute Force", "CRITICAL", seconds=9, details={"ip": "203.0.113.9"})
    others = [
        event("Port Scan", "HIGH", seconds=n, details={"ip": "203.0.113.8"}) for n in range(3)
    ]
    found = report(guesses, *others, event())
    assert found.incidents == [] and "No incident" in found.note
    assert [(one.entity, one.critical, one.high) for one in found.strongest] == [
        ("203.0.113.9", 1, 0),
        ("203.0.113.8", 0, 3),
    ]
    assert found.strongest[1].first == format_time(at(0))
    assert "203.0.113.9" in texts(incidents.document(found))


def test_what_an_attacker_wrote_into_ids_leaves_no_query():
    odd = stage(1, "x", "T1046", 'e" OR severity>=LOW OR id:"', "a*", "")
    found = report(event(), incident(5, odd, key='c" OR type:"Failed Login'))
    assert found.incidents[0].events == []
    assert found.incidents[0].missing == 3


def test_details_of_other_shapes_do_no_harm():
    odd = incident(5, risk="high", entity=None)
    details = {"stages": [7, {"count": "x", "events": "no"}], "events": {"a": 1}}
    found = report(
        odd.replace(details=details), incident(6, key="c-2").replace(details={"stages": 3})
    )
    assert len(found.incidents) == 2
    assert msgspec.json.encode(found) and incidents.document(found)


def test_documents_are_whole():
    empty = texts(incidents.document(report()))
    assert "There are no HIGH or CRITICAL events either" in empty
    document = incidents.document(report(incident(600, stage(500, "impact", "T1486", "gone"))))
    assert [section.title for section in document.sections] == ["Overview", "Incident 203.0.113.7"]
    for section in document.sections:
        for table in section.tables:
            assert all(len(row) == len(table.columns) for row in table.rows)
    assert "1 event of it are not in the log" in texts(document)


def test_nothing_is_looked_up_where_nobody_asks():
    found = report(incident(600, stage(500, "impact", "T1486", "gone")), look_up=False)
    assert (found.incidents[0].events, found.incidents[0].missing) == ([], 0)
