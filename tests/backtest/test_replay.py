from mlids import registry
from mlids.backtest import replay
from mlids.backtest.planning import Period, Plan
from mlids.backtest.progress import Progress
from mlids.backtest.replay import Replay
from mlids.backtest.sources import Readable
from mlids.suppression.thresholding import Counters, Thresholding
from mlids.testing import START_NS, event
from mlids.volume import NS

DAY_NS = 86_400 * NS


def plan(reached=(), counted=(), since_ns=START_NS - DAY_NS):
    period = Period(since_ns, START_NS + DAY_NS)
    correlators = frozenset(registry.names("correlators"))
    return Plan(period, frozenset(reached), frozenset(counted), correlators, Readable())


def outcome(house, *given, **options):
    errors = []
    made = Replay(house.archive, *given, house.manager.settings, errors.append, **options)
    return made.outcome(Progress(), "a test", 0), errors


def test_what_no_change_reaches_stays_as_it_was_stored(house):
    house.keep([event("Port Scan", "HIGH", rule="port_scan"), event(seconds=1)])
    found, _ = outcome(house, plan())
    assert found.events == 2 and not found.rows


def test_what_correlators_said_is_not_taken_but_told_anew(house):
    house.keep([event("Incident", "HIGH", source="system", rule="incident", details={"ip": "x"})])
    assert outcome(house, plan())[0].events == 0


def test_stored_logins_lead_to_what_the_detector_makes_of_them(house):
    house.keep([event(seconds=10 * n) for n in range(6)])
    found, _ = outcome(house, plan(["brute_force"], ["brute_force"]))
    assert found.rows["Brute Force", "brute_force/guessing"] == 2


def test_logins_before_the_period_fill_its_windows(house):
    house.keep([event(seconds=10 * n) for n in range(6)])
    late = plan(["brute_force"], ["brute_force"], START_NS + 45 * NS)
    found, _ = outcome(house, late)
    assert found.rows["Brute Force", "brute_force/guessing"] == 1


def test_thresholds_hold_back_before_anything_correlates(house):
    house.keep([event("Port Scan", "HIGH", rule="port_scan", seconds=n) for n in range(5)])
    thresholds = Counters([Thresholding(type="Port Scan", count=2)])
    assert outcome(house, plan(), thresholds=thresholds)[0].events == 2


def test_a_detector_that_fails_is_told_once_and_the_rest_goes_on(house, monkeypatch):
    house.keep([event(seconds=n) for n in range(5)])

    def broken(self, batch):
        raise ValueError("no")

    monkeypatch.setattr(registry.plugin("detectors", "brute_force"), "inspect", broken)
    monkeypatch.setattr(replay, "AT_ONCE", 2)
    found, errors = outcome(house, plan(["brute_force"], ["brute_force"]))
    assert found.events == 5 and [error.code for error in errors] == ["E107"]


def test_what_is_held_is_bounded_however_much_is_stored(house, monkeypatch):
    held = []
    batches = replay.signs.Signs.batches

    def watched(self, events):
        held.append(len(events))
        return batches(self, events)

    monkeypatch.setattr(replay.signs.Signs, "batches", watched)
    house.keep([event(seconds=n) for n in range(3000)])
    outcome(house, plan(["brute_force"], ["brute_force"]))
    assert max(held) == replay.AT_ONCE and sum(held) == 3000
