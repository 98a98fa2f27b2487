from __future__ import annotations

import msgspec
import numpy as np

from mlids.neighbours.devices import MOST_CROWD, NS, Device, Devices, Flood, Limits

LIMITS = Limits(flood=10, wait_ns=5 * NS, learn_ns=600 * NS, devices=1000)
START = 10**18


def device(seconds: float, mac: int) -> Device:
    return Device(mac, START + int(seconds * NS), int(seconds), 0, "ARP")


def made(all_told: bool = False, listed: frozenset[int] = frozenset()) -> Devices:
    devices = Devices(LIMITS, all_told, listed)
    devices.begin(START)
    return devices


def met(devices: Devices, seconds: float, mac: int) -> list[Device | Flood]:
    return list(devices.met(device(seconds, mac)))


def test_learning_then_waiting_then_telling() -> None:
    devices = made()
    assert met(devices, 0, 1) == []
    assert list(devices.due(START + 900 * NS)) == []
    assert met(devices, 600, 1) == []
    assert met(devices, 601, 2) == []
    assert devices.waiting == [2]
    assert not devices.settled(2)
    assert devices.settled(1)
    assert list(devices.due(START + 606 * NS)) == []
    [told] = devices.due(START + 607 * NS)
    assert isinstance(told, Device)
    assert (told.mac, told.ip) == (2, "")
    assert devices.settled(2)
    assert met(devices, 700, 2) == []


def test_what_it_says_of_itself() -> None:
    devices = made(all_told=True)
    met(devices, 1, 2)
    assert list(devices.says(2, START + 2 * NS, host="phone")) == []
    [told] = devices.says(2, START + 3 * NS, ip="10.0.0.1")
    assert (told.host, told.ip, told.time) == ("phone", "10.0.0.1", START + NS)
    assert list(devices.says(2, START + 4 * NS, ip="10.0.0.2")) == []
    met(devices, 10, 3)
    [late] = devices.says(3, START + 16 * NS, ip="10.0.0.3")
    assert late.ip == ""  # it had waited long enough before


def test_listed_devices_are_never_told() -> None:
    devices = made(all_told=True, listed=frozenset([7]))
    assert met(devices, 0, 7) == []
    assert devices.waiting == []


def test_flood() -> None:
    devices = made()
    said = [found for n in range(25) for found in met(devices, 700 + n / 10, 100 + n)]
    floods = [found for found in said if isinstance(found, Flood)]
    assert [f.senders for f in floods] == [10, 10]
    assert len(floods[0].places) == 10
    assert devices.waiting == []
    assert not devices.settled(105)
    assert met(devices, 705, 105) == []  # still a flood
    assert met(devices, 720, 105) == []  # over: it is a device now
    assert devices.waiting == [105]


def test_more_are_no_flood_while_everybody_is_new() -> None:
    devices = made()
    assert [f for n in range(49) for f in met(devices, n / 10, 100 + n)] == []
    assert devices.settled(101)
    [flood] = met(devices, 5, 999)
    assert isinstance(flood, Flood)


def test_where_the_input_begins() -> None:
    devices = Devices(LIMITS, False, frozenset())
    times = START + np.array([0, 1, 599, 1199, 1200, 9000]) * NS
    assert devices.begins(times) == [0, 3, 5]
    assert devices.begins(times[-1:] + 599 * NS) == []
    assert devices.begins(times[-1:] + 1199 * NS) == [0]


def test_state_and_bounds() -> None:
    devices = made()
    for n in range(2000):
        met(devices, 11 * n, 100 + n)
    assert devices.evicted == 1000
    for n in range(MOST_CROWD + 2000):
        met(devices, 30_000 + n / 1000, 10_000 + n)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(devices.save()))
    assert len(state[2]) == MOST_CROWD
    other = made()
    other.restore(state)
    assert msgspec.msgpack.encode(other.save()) == msgspec.msgpack.encode(devices.save())
