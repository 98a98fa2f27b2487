from mlids import alerts
from mlids.alerts import ActiveAlerts
from mlids.testing import event


def test_one_alert_per_rule_and_entity_however_often_it_repeats():
    active = ActiveAlerts()
    for n in range(100):
        active.add(event(), n)
    active.add(event(details={"ip": "192.0.2.8"}), 100)
    active.add(event(rule="brute_force"), 100)
    assert active.count(100) == 3


def test_low_events_are_no_alerts():
    active = ActiveAlerts()
    active.add(event(severity="LOW"), 0)
    assert active.count(0) == 0


def test_an_alert_ends_after_an_hour_or_when_acknowledged():
    active = ActiveAlerts()
    active.add(event(), 0)
    active.add(event(rule="other"), 1000)
    assert active.count(3600) == 2
    assert active.count(3601) == 1
    active.acknowledge(event(rule="other"))
    assert active.count(3601) == 0


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(alerts, "CAPACITY", 3)
    active = ActiveAlerts()
    for n in range(10):
        active.add(event(rule=f"rule-{n}"), n)
    assert active.count(10) == 3
