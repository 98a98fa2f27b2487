from __future__ import annotations

import msgspec

from mlids.episodes import Account, Episodes
from mlids.testing import START_NS
from mlids.volume import NS


def account(number: int = 0) -> Account:
    return Account(
        type="ARP Spoofing",
        severity="HIGH",
        rule="arp_spoof",
        details={"ip": "192.0.2.1", "metadata": {"number": number}},
        explanation="seen",
        evidence=[{"source": "a.pcap", "frame": number}] * 20,
        techniques=["T1557.002"],
    )


def test_first_tenth_and_the_rest_at_the_end() -> None:
    episodes, said = Episodes(60), []
    for n in range(25):
        said += episodes.trigger(("a",), START_NS + n * NS, account(n))
    assert [event.details["metadata"]["triggers"] for event in said] == [1, 10]
    assert episodes.close(START_NS + 50 * NS) == []
    said += episodes.close(START_NS + 100 * NS)
    assert [event.details["metadata"]["number"] for event in said] == [0, 9, 24]
    assert sum(1 + event.details["suppressed"] for event in said) == 25
    assert len({event.correlation_id for event in said}) == 1
    assert len(said[0].evidence) == 10
    assert ("a",) not in episodes


def test_an_episode_after_a_pause_is_a_new_one_and_the_old_one_tells_its_own_rest() -> None:
    episodes, said = Episodes(60), []
    for n in (0, 1, 500):
        said += episodes.trigger(("a", 1), START_NS + n * NS, account(n))
    assert [event.details["metadata"]["number"] for event in said] == [0, 1, 500]
    assert said[0].correlation_id == said[1].correlation_id != said[2].correlation_id


def test_state_survives_a_restart() -> None:
    first, second = Episodes(60), Episodes(60)
    for n in range(5):
        list(first.trigger(("a", 1), START_NS + n * NS, account(n)))
    second.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(first.save())))
    assert [e.encoded() for e in second.flush()] == [e.encoded() for e in first.flush()]
    assert ("a", 1) in second


def test_episodes_are_bounded_and_what_gives_way_is_told() -> None:
    episodes, said = Episodes(60, keys=10), []
    for n in range(100):
        for _ in range(2):
            said += episodes.trigger((n,), START_NS + n, account(n))
    assert episodes.evicted == 90
    said += episodes.flush()
    assert sum(1 + event.details["suppressed"] for event in said) == 200
    assert len(episodes._accounts) <= 21


def test_many_of_one_kind_are_folded_into_one_and_none_is_lost() -> None:
    episodes, said = Episodes(60, most=5), []
    for n in range(1000):
        said += episodes.trigger(("flood", n), START_NS + n, account(n))
    said += episodes.trigger(("other", 1), START_NS, account())
    assert len(said) == 5 + 3 + 1
    said += episodes.flush()
    assert sum(1 + event.details["suppressed"] for event in said) == 1001
    late = START_NS + 100 * NS  # the old ones are over: there is room again
    assert len(list(episodes.trigger(("flood", -1), late, account()))) == 1
    assert ("flood", -1) in episodes
