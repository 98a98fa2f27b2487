from mlids.backtest.spells import Spells, key_of, plugin_of
from mlids.testing import event


def told(ip="192.0.2.7", seconds=0, severity="HIGH", rule="brute_force/guessing", **more):
    details = {"ip": ip, "metadata": {"attempts": 6, "threshold": 5}}
    return event("Brute Force", severity, rule=rule, details=details, seconds=seconds, **more)


def spells(*events, most=100):
    made = Spells(most)
    for one in events:
        made.add(plugin_of(one), one)
    return made


def test_events_without_a_long_pause_are_one_spell():
    (one,) = spells(told(), told(seconds=3000), told(seconds=6000))
    assert one.count == 3 and one.last_ns - one.first_ns == 6000 * 10**9
    assert len(spells(told(), told(seconds=3601))) == 2


def test_the_order_in_which_events_are_stored_does_not_matter():
    times = [20_000, 0, 10_000, 500, 20_100, 9_000]
    made = spells(*(told(seconds=one) for one in times))
    assert [one.count for one in made] == [2, 2, 2]
    assert not made.without(spells(*(told(seconds=one) for one in sorted(times))))


def test_the_gravest_speaks_for_a_spell():
    (one,) = spells(told(), told(severity="CRITICAL", id="worst"), told(seconds=9))
    assert (one.severity, one.id, one.count) == ("CRITICAL", "worst", 3)


def test_techniques_of_one_attack_are_one_spell_and_rules_of_users_are_not():
    assert len(spells(told(), told(rule="brute_force/spraying"))) == 1
    ours = [event("Rule Match", rule=f"sigma/{n}") for n in "ab"]
    assert len(spells(*ours)) == 2


def test_what_has_no_counterpart_is_found():
    ours, others = spells(told(), told(ip="192.0.2.8")), spells(told(seconds=3000))
    assert [one.ip for one in ours.without(others)] == ["192.0.2.8"]
    assert not others.without(ours)
    assert spells(told(seconds=9000)).without(others)


def test_too_many_leave_the_same_sample_everywhere():
    events = [told(ip=f"10.0.{n // 256}.{n % 256}") for n in range(1000)]
    ours, others = spells(*events, most=100), spells(*reversed(events), most=120)
    assert len(ours) <= 100 and ours.left_out == 1000 - len(ours)
    level = min(ours.level, others.level)
    ours.lower(level)
    others.lower(level)
    assert len(ours) > 20 and not ours.without(others) and not others.without(ours)


def test_products_are_told_by_the_detector_that_takes_them_in():
    assert plugin_of(event(rule="zeek-weird")) == "ingested" == plugin_of(event(rule="eve"))
    assert plugin_of(event(rule="port_scan")) == "port_scan"
    assert plugin_of(event(rule=["x"])) == ""


def test_texts_of_attackers_are_kept_short():
    long = told(ip="x" * 100_000)
    assert len(key_of("brute_force", long)[2]) == 1024
