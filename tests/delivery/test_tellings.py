"""The volume law for notifiers: few tellings, counts that add up, nobody merged away."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlids.delivery.tellings import Tellings
from mlids.testing import event


def test_ten_thousand_triggers_are_at_most_six_tellings() -> None:
    tellings = Tellings()
    told = [one for n in range(9_999) for one in tellings.put(event(seconds=n / 10))]
    told += tellings.flush()
    assert len(told) <= 6
    assert sum(one.details["count"] for one in told) == 9_999
    assert all(one.details["suppressed"] == one.details["count"] - 1 for one in told)
    assert [one.details["count"] for one in told] == [1, 9, 90, 900, 8999]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 20_000), st.sampled_from("abcdef"), st.sampled_from(["LOW", "HIGH"])
        ),
        max_size=200,
    ),
    st.integers(1, 5),
)
def test_counts_add_up_for_each_entity_however_few_are_held(
    triggers: list[tuple[int, str, str]], keys: int
) -> None:
    tellings = Tellings(quiet_s=60, keys=keys)
    told = []
    for seconds, user, severity in triggers:
        told += tellings.put(event(severity=severity, details={"user": user}, seconds=seconds))
    told += tellings.flush()
    for name in "abcdef":
        wanted = sum(user == name for _, user, _ in triggers)
        assert sum(o.details["count"] for o in told if o.details["user"] == name) == wanted
    assert len(tellings._last) <= keys


def test_an_episode_that_ends_tells_what_it_held_back() -> None:
    tellings = Tellings(quiet_s=60)
    told = [one for n in range(5) for one in tellings.put(event(seconds=n))]
    assert [one.details["count"] for one in told] == [1]
    other = list(tellings.put(event(details={"ip": "198.51.100.1"}, seconds=1000)))
    assert [(one.details["ip"], one.details["count"]) for one in other] == [
        ("192.0.2.7", 4),
        ("198.51.100.1", 1),
    ]


def test_a_worse_event_of_the_same_rule_is_told_at_once() -> None:
    tellings = Tellings()
    for n in range(5):
        list(tellings.put(event(seconds=n)))
    assert len(list(tellings.put(event(severity="CRITICAL", seconds=6)))) == 1
