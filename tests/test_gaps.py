from __future__ import annotations

from mlids.batches import InputStatus
from mlids.gaps import LEARNT, Gaps


def wire(read: int, dropped: int = 0, state: str = "ok") -> InputStatus:
    return InputStatus("eth0", "network", state, "", {"read": read, "dropped": dropped})


def test_lost_packets_are_told_at_once_and_then_by_the_volume_law():
    gaps, told = Gaps(), []
    assert list(gaps.observe([wire(100_000)], {}, 1)) == []
    for second in range(2, 30):
        count = second - 1
        told += gaps.observe([wire(100_000 * second, 200 * count)], {}, second)
    assert [gap.amount for gap in told] == [200, 2000]
    assert "eth0: 200 packets were lost" in told[0].text
    assert "2,000 packets were lost; " in told[1].text
    assert "(200 in the last second)" in told[1].text
    assert told[1].suppressed == 8
    (rest,) = gaps.observe([wire(100_000 * 30, 5_600)], {}, 400)  # nothing was lost any more
    assert rest.amount == 5_600
    assert sum(gap.suppressed + 1 for gap in (*told, rest)) == 28


def test_a_loss_below_a_thousandth_is_told_once_it_adds_up():
    gaps = Gaps()
    assert list(gaps.observe([wire(1_000_000, 500)], {}, 1)) == []
    assert list(gaps.observe([wire(2_000_000, 999)], {}, 2)) == []
    assert len(list(gaps.observe([wire(2_000_100, 2_100)], {}, 3))) == 1


def test_state_that_was_given_up():
    gaps = Gaps()
    assert list(gaps.observe([], {("port_scan", "evicted_sources"): 0}, 1)) == []
    (gap,) = gaps.observe([], {("port_scan", "evicted_sources"): 12}, 2)
    assert gap.text == "port_scan: 12 sources were evicted for want of room"
    assert (gap.input, gap.what, gap.amount) == ("port_scan", "evicted_sources", 12)
    assert list(gaps.observe([], {("port_scan", "evicted_sources"): 12}, 3)) == []


def spoken(gaps: Gaps, pauses: list[float], start: float = 0.0) -> tuple[float, int]:
    """Packets come after each of these pauses, looked at every second."""
    now, read = start, 0
    for pause in pauses:
        now += pause
        read += 1
        assert list(gaps.observe([wire(read)], {}, now)) == []
    return now, read


def silent(gaps: Gaps, since: float, read: int, seconds: int) -> list[float]:
    return [
        gap.amount
        for second in range(1, seconds)
        for gap in gaps.observe([wire(read)], {}, since + second)
    ]


def test_an_interface_that_falls_silent_is_told_once():
    gaps = Gaps()
    now, read = spoken(gaps, [1.0] * LEARNT)
    assert silent(gaps, now, read, 60) == [11]
    assert list(gaps.observe([wire(read + 1)], {}, now + 60)) == []
    assert silent(gaps, now + 60, read + 1, 60) == [11]


def test_what_is_usual_is_learnt():
    gaps = Gaps()
    now, read = spoken(gaps, [1.0] * LEARNT + [20.0] * 10)
    assert silent(gaps, now, read, 200) == [41]
    new = Gaps()
    now, read = spoken(new, [1.0] * (LEARNT - 2))
    assert silent(new, now, read, 500) == []


def test_an_interface_that_is_down_is_not_told_as_silent_too():
    gaps = Gaps()
    now, read = spoken(gaps, [1.0] * LEARNT)
    for second in range(60):
        assert list(gaps.observe([wire(read, state="waiting")], {}, now + second)) == []
    assert silent(gaps, now + 60, read, 8) == []
