from mlids import registry
from mlids.backtest.changes import Difference
from mlids.backtest.differing import COUNTED, RECORDED, Differing, Successes
from mlids.backtest.planning import Outcome, Period, Plan
from mlids.backtest.recorded import Judge
from mlids.backtest.sources import Readable
from mlids.testing import START_NS, event
from mlids.volume import NS

PERIOD = Period(START_NS - NS, START_NS + 86_400 * NS)
JUDGED = frozenset(["brute_force", "port_scan"])


def attack(ip="192.0.2.7", severity="HIGH", attempts=6, **more):
    details = {"ip": ip, "metadata": {"attempts": attempts, "threshold": 5}}
    return event("Brute Force", severity, rule="brute_force/guessing", details=details, **more)


def outcome(*events):
    made = Outcome(PERIOD, JUDGED)
    for one in events:
        made.add(one)
    return made


def differing(stored, before, after, counted=("brute_force",)):
    changed = {"brute_force": Difference({"threshold": 5}, {"threshold": 8}, (True, True))}
    correlators = frozenset(registry.names("correlators"))
    plan = Plan(PERIOD, frozenset(changed), frozenset(counted), correlators, Readable())
    outcomes = (outcome(*one) for one in (stored, before, after))
    return Differing(plan, changed, Judge(changed), *outcomes)


def test_what_is_gone_names_the_stored_event_and_why():
    found = differing([attack(id="stored")], [attack(id="fresh")], [])
    (gone,) = found.detections(found.gone, why=True)
    assert (gone.event, gone.why, gone.sure) == ("stored", "6 failed logins, 8 needed", True)
    assert not found.new


def test_what_is_new_says_what_it_was_told_for():
    found = differing([], [], [attack(explanation="8 of them")])
    (new,) = found.detections(found.new)
    assert (new.event, new.why) == ("", "8 of them")


def test_another_severity_is_neither_gone_nor_new():
    found = differing([], [attack(severity="CRITICAL")], [attack()])
    (changed,) = found.changed()
    assert (changed.was, changed.severity) == ("CRITICAL", "HIGH")
    assert not found.gone and not found.new


def test_the_check_tells_what_the_replay_does_not():
    found = differing([attack(), attack(ip="192.0.2.8")], [attack()], [])
    check = found.check()
    assert (check.stored, check.reproduced) == (2, 1)
    assert [one.entity for one in check.missing] == ["192.0.2.8"]


def test_rows_count_events_and_detections():
    again = [attack(seconds=n) for n in range(3)]
    (kind,) = differing(again, again, []).kinds()
    assert (kind.stored, kind.before, kind.after, kind.gone, kind.new) == (3, 3, 0, 1, 0)
    assert kind.basis == COUNTED
    (kind,) = differing(again, again, again, counted=()).kinds()
    assert kind.basis == RECORDED


def test_the_first_login_behind_an_attack_is_found(house):
    house.keep(
        [
            event("Successful Login", "LOW", details={"ip": ip}, seconds=seconds)
            for ip, seconds in (("192.0.2.7", 5), ("192.0.2.7", 50), ("192.0.2.7", 60))
        ]
    )
    found = differing([], [attack(seconds=10), attack(ip="192.0.2.8")], [])
    assert Successes(house.archive, found.plan, found.gone).first == {
        "192.0.2.7": START_NS + 50 * NS
    }
