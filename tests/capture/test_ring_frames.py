from __future__ import annotations

import numpy as np

from mlids.capture import crafting as c
from mlids.capture.ring_frames import Live, merged


def live(ports: list[int], times: list[int], kind: int = 1, tag: int = 0) -> Live:
    raw = [c.ip("192.0.2.1", "192.0.2.2", 17, c.udp(port, 53)) for port in ports]
    frames = [c.ethernet(one) if kind == 1 else one for one in raw]
    sizes = np.array([len(frame) for frame in frames], np.int64)
    data = np.frombuffer(b"".join(frames) + bytes(64), np.uint8)
    tags = np.full(len(frames), tag, np.uint16)
    return Live(data, np.cumsum(sizes) - sizes, sizes, sizes, np.array(times, np.int64), kind, tags)


def test_one_capture_as_it_came() -> None:
    batch, owner = merged([live([1, 2, 3], [10, 20, 30])], "va", 7, 0)
    assert (batch.sport.tolist(), batch.frame.tolist()) == ([1, 2, 3], [7, 8, 9])
    assert (batch.source, batch.now, owner.tolist()) == ("va", 30, [0, 0, 0])


def test_several_by_time_each_row_with_its_owner_and_kind() -> None:
    parts = [live([1, 3, 5], [10, 30, 50], tag=9), live([2, 4], [20, 40], kind=101)]
    batch, owner = merged(parts, "va,tun0", 1, 0)
    assert batch.sport.tolist() == [1, 2, 3, 4, 5]
    assert owner.tolist() == [0, 1, 0, 1, 0]
    assert batch.vlan.tolist() == [9, 0, 9, 0, 9]
    assert batch.network.tolist() == [14, 0, 14, 0, 14]
    assert not batch.fault.any()


def test_frames_out_of_order_are_sorted() -> None:
    batch, _ = merged([live([1, 2, 3], [30, 10, 20])], "va", 1, 0)
    assert batch.sport.tolist() == [2, 3, 1]
    assert batch.time.tolist() == [10, 20, 30]


def test_nothing_is_a_heartbeat() -> None:
    batch, owner = merged([Live.none()], "va", 1, 99)
    assert (len(batch), batch.now, len(owner)) == (0, 99, 0)
