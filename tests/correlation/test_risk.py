import pytest

from mlids.correlation import risk
from mlids.correlation.risk import HALVED_NS, Amount


def repeated(severity, times, apart_ns=1):
    amount = Amount()
    for n in range(times):
        amount.add(risk.weight(severity, 1.0), n * apart_ns)
    return amount


def test_repeats_add_less_and_less_and_never_reach_twice_the_weight():
    values = [repeated("HIGH", times).value for times in (1, 2, 3, 1000)]
    assert values == pytest.approx([0.45, 0.675, 0.7875, 0.9])
    assert repeated("HIGH", 100_000).value < risk.OPENS
    assert repeated("MEDIUM", 100_000).value == pytest.approx(0.3)
    assert repeated("LOW", 100_000).value == 0


def test_risk_is_halved_every_six_hours():
    amount = repeated("HIGH", 1)
    assert amount.at(HALVED_NS) == pytest.approx(0.225)
    assert amount.at(4 * HALVED_NS) == pytest.approx(0.45 / 16)


def test_what_comes_late_counts_for_what_is_left_of_it():
    amount = Amount()
    amount.add(0.45, HALVED_NS)
    amount.add(1.0, 0)
    assert amount.value == pytest.approx(0.45 + 0.5 - 0.225)
    assert amount.at_ns == HALVED_NS


def test_confidence_counts_and_nonsense_does_not():
    assert risk.weight("HIGH", 0.5) == pytest.approx(0.225)
    assert risk.weight("HIGH", "sure") == 0.45
    assert risk.weight("MEDIUM", 99) == 0.15
    assert risk.weight("HIGH", float("nan")) in (0.0, 0.45)


def test_each_further_tactic_gives_a_bonus():
    one, two = Amount(0.45, 0), Amount(0.45, 0)
    assert risk.total([one], 1, 0) < risk.OPENS
    assert risk.total([one, two], 1, 0) < risk.OPENS
    assert risk.total([one, two], 2, 0) > risk.OPENS
    assert risk.total([], 0, 0) == 0
