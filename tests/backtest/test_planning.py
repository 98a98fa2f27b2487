from mlids.backtest import changes
from mlids.backtest.planning import Outcome, Period, planned, surveyed
from mlids.backtest.progress import Progress
from mlids.suppression.account import Account
from mlids.testing import START_NS, event
from mlids.volume import NS

PERIOD = Period(START_NS, START_NS + 3600 * NS)
MUCH = 1 << 30


def plan_for(house, *texts, most_bytes=MUCH):
    before, after, _ = changes.read(house.manager, texts)
    differences = changes.differences(before, after)
    return planned(
        surveyed(house.archive, PERIOD, differences, Progress()), differences, most_bytes
    )


def test_logins_are_counted_from_the_store_only_where_their_log_is_gone(house):
    house.store(house.attacked())
    there = plan_for(house, "brute_force_threshold=8")
    assert there.files == [str(house.log)] and not there.counted and "brute_force" in there.reread
    house.log.unlink()
    gone = plan_for(house, "brute_force_threshold=8")
    assert not gone.files and gone.counted == {"brute_force"}


def test_nothing_is_read_again_for_a_detector_that_looks_at_something_else(house):
    house.store(house.attacked())
    assert not plan_for(house, "detectors.integrity.enabled=false").files
    assert not plan_for(house, "detectors.port_scan.contacts=30").files


def test_correlators_are_asked_anew_and_other_events_stay(house):
    plan = plan_for(house, "brute_force_threshold=8")
    assert plan.retells("incident", event("Incident"))
    assert plan.retells("brute_force", event("Brute Force"))
    assert not plan.retells("login", event())
    assert not plan.retells("port_scan", event("Port Scan"))


def test_an_outcome_counts_the_period_and_keeps_what_may_differ():
    outcome = Outcome(PERIOD, frozenset(["brute_force"]))
    for seconds in (-1, 0, 3599, 3600):
        outcome.add(event("Brute Force", "HIGH", rule="brute_force/x", seconds=seconds))
        outcome.add(event(seconds=seconds))
    assert (outcome.events, outcome.grave) == (4, 2)
    assert outcome.rows == {("Brute Force", "brute_force/x"): 2}


def test_rows_of_rules_are_bounded():
    outcome = Outcome(PERIOD, frozenset(["brute_force"]))
    for n in range(3000):
        outcome.add(event("Brute Force", rule=f"brute_force/{n}"))
    assert len(outcome.rows) == 2001 and sum(outcome.rows.values()) == 3000


def test_a_survey_counts_what_was_kept_out_of_the_store(house):
    account = Account()
    for n in range(7):
        account.add("a rule", event(seconds=n))
    house.keep(account.told(START_NS, {}))
    survey = surveyed(house.archive, PERIOD, {}, Progress())
    assert survey.suppressed == 7 and survey.first_ns == START_NS
