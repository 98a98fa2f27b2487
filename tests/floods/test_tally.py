from __future__ import annotations

import msgspec
import numpy as np
import pytest

from mlids.floods.records import record
from mlids.floods.tally import FEW, MOST_GROUPS, Tally, total

MS = 1_000_000
WIDTH = 100 * MS


def seen(times: list[int] | np.ndarray, key: int = 7, size: int = 10, **more: object) -> np.ndarray:
    made = np.zeros(len(times), record())
    made["time"], made["key"], made["size"] = times, key, size
    made["frame"] = np.arange(len(times)) + 1
    made["src_lo"] = np.arange(len(times)) | 0xFFFF_0000_0000
    made["flow"] = np.arange(len(times), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    made["dst_lo"], made["dport"] = 0xFFFF_C0A8_0001, 80
    for name, value in more.items():
        made[name] = value
    return made


def every(gap: int, count: int) -> np.ndarray:
    return np.arange(count) * gap * MS


@pytest.mark.parametrize(("count", "found"), [(99, 0), (100, 1)])
def test_threshold(count: int, found: int) -> None:
    assert len(list(Tally(WIDTH, 10, 100).add(seen(every(9, count))))) == found


def test_a_window_knows_what_came() -> None:
    [window] = Tally(WIDTH, 10, 100).add(seen(every(10, 100), state=1))
    crowd = window.sum()
    assert (crowd.packets, crowd.size, crowd.states) == (100, 1000, {1: 100})
    assert (crowd.first_ns, crowd.last_ns) == (0, 990 * MS)
    assert crowd.port == 80
    assert crowd.target == (0, 0xFFFF_C0A8_0001)
    assert crowd.evidence[:2] == [(0, 100), (0, 99)]
    assert 60 < crowd.sources.distinct() < 170
    assert window.recent[-1].packets == 10


def test_windows_slide_and_slots_wait_for_company() -> None:
    tally = Tally(WIDTH, 10, 100)
    burst = np.concatenate((every(1, 60) + 940 * MS, every(1, 60) + 1000 * MS))
    assert [w.slot for w in tally.add(seen(burst))] == [10]
    apart = np.concatenate((every(1, 60), every(1, 60) + 1000 * MS))
    assert list(Tally(WIDTH, 10, 100).add(seen(apart))) == []


def test_it_does_not_matter_how_slots_were_handed_over() -> None:
    rng = np.random.default_rng(4)
    times = np.sort(rng.integers(0, 5000, 3000)) * MS
    keys = rng.integers(1, 4, 3000)
    whole = [(w.key, w.slot, w.sum().packets) for w in Tally(WIDTH, 10, 150).add(seen(times, keys))]
    tally, parts = Tally(WIDTH, 10, 150), []
    rows = seen(times, keys)
    for begin in range(0, 5000, 700):
        part = rows[(times >= begin * MS) & (times < (begin + 700) * MS)]
        parts += [(w.key, w.slot, w.sum().packets) for w in tally.add(part)]
        saved = msgspec.msgpack.decode(msgspec.msgpack.encode(tally.save()))
        tally = Tally(WIDTH, 10, 150)
        tally.restore(saved)
    assert whole
    assert whole == parts


def test_slots_before_the_window_keep_their_numbers() -> None:
    tally = Tally(WIDTH, 2, 20, memory=20)
    window = list(tally.add(seen(every(5, 300), state=2)))[-1]
    assert len(window.recent) == 2
    assert sum(one.packets for one in window.past) == 260
    assert sum(one.states[2] for one in window.past) == 260
    assert all(not one.sources.seen for one in window.past)


def test_many_packets_are_not_held() -> None:
    tally = Tally(WIDTH, 10, 10)
    list(tally.add(seen(every(0, FEW * 20))))
    assert tally._held < FEW * 2


def test_by_size() -> None:
    tally = Tally(WIDTH, 10, 1000, by_size=True)
    assert list(tally.add(seen(every(1, 99), size=10))) == []
    [window] = tally.add(seen(np.array([500 * MS]), size=2000))
    assert window.sum().size == 2990


def test_share() -> None:
    assert list(Tally(WIDTH, 10, 100).add(seen(every(20, 50)), 0.4)) != []
    assert list(Tally(WIDTH, 10, 100).add(seen(every(20, 50)), 0.6)) == []


def test_bounds() -> None:
    tally = Tally(WIDTH, 10, 20, keys=16)
    rows = seen(every(0, 40_000), np.repeat(np.arange(1, 10_001), 4).astype(np.uint64))
    list(tally.add(rows))
    assert len(tally._rings) <= 16
    assert tally.evicted >= 10_000 - MOST_GROUPS


def test_ordinary_traffic_leaves_nothing_behind() -> None:
    tally = Tally(WIDTH, 10, 200)
    rows = seen(every(1, 5000), np.arange(5000, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    assert list(tally.add(rows)) == []
    assert not tally._rings
    assert list(tally.add(seen([]))) == []


def test_total_of_one_is_itself() -> None:
    [window] = Tally(WIDTH, 1, 10).add(seen(every(1, 20)))
    assert total(window.recent) is window.recent[0]


def test_ipv6_sources_count_by_network() -> None:
    rows = seen(every(1, 50), src_hi=0x20010DB8_00000000)
    rows["src_lo"] = np.arange(50)
    [window] = Tally(WIDTH, 1, 20).add(rows)
    assert window.sum().sources.distinct() == 1
    rows["src_hi"] = 0xFE80 << 48
    [window] = Tally(WIDTH, 1, 20).add(rows)
    assert window.sum().sources.distinct() == 50
