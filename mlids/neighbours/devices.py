"""Which devices were seen: new ones wait a little for their address and name, floods are one thing.

A switch forgets where its devices are when it is shown thousands of senders (macof). So many new
ones at once are counted as a flood; none of them is remembered as a device, and one of them that
still speaks afterwards is new then.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NS = 1_000_000_000
FLOOD_NS = 10 * NS
SILENCE_NS = 600 * NS  # at least
LEARNING = 5  # so many times more new senders are no flood while everybody is new
MOST_CROWD = 16_384


class Limits(NamedTuple):
    """When senders are too many, and how long one waits for its address."""

    flood: int  # new senders within FLOOD_NS
    wait_ns: int
    learn_ns: int
    devices: int  # remembered


class Device(msgspec.Struct):
    """A new device, and what it said of itself so far."""

    mac: int
    time: int
    frame: int
    capture: int
    how: str
    ip: str = ""
    host: str = ""


class Flood(NamedTuple):
    """So many new senders in a row."""

    time: int
    senders: int
    places: list[tuple[int, int]]  # capture and frame, the latest first


class Devices:
    """Follows senders in order of time. all_told: devices are told from the beginning."""

    def __init__(self, limits: Limits, all_told: bool, listed: frozenset[int]) -> None:
        self.limits = limits
        self.evicted = 0
        self._all_told = all_told
        self._listed = listed
        self._since = self._last = 0
        self._flood_ends = 0  # s since 1970
        self._seen: dict[int, None] = {}
        self._crowd: dict[int, None] = {}
        self._waiting: dict[int, Device] = {}  # ordered by time
        self._fresh: list[tuple[int, int, int]] = []  # time, capture, frame of new senders

    def begins(self, times: NDArray[np.int64]) -> list[int]:
        """Where in these times the input begins, or begins again.

        After silence for as long as one learns, on the whole link, nobody was watching it: a
        recording of another day follows, or the sensor was off.
        """
        silence = max(self.limits.learn_ns, SILENCE_NS)
        found = [] if self._last and times[0] - self._last < silence else [0]
        self._last = int(times[-1])
        if times[-1] - times[0] >= silence:
            found += (np.flatnonzero(np.diff(times) >= silence) + 1).tolist()
        return found

    def begin(self, time: int) -> None:
        """From now on devices are learnt."""
        self._since = time

    @property
    def waiting(self) -> list[int]:
        """Devices that are still to be told."""
        return list(self._waiting)

    def settled(self, mac: int) -> bool:
        """Whether a device is known by now, and nothing will change that."""
        return mac in self._seen and mac not in self._waiting

    def met(self, device: Device) -> Iterator[Device | Flood]:
        """A sender that may be new; yields what is to be told."""
        time, mac = device.time, device.mac
        yield from self.due(time)
        if mac in self._seen:
            return
        if mac in self._listed:
            self._remember(mac)
            return
        flooding = time // NS < self._flood_ends
        if mac not in self._crowd:
            flood = self._count(device)
            if flood is not None:
                yield flood
                return
        if flooding:
            self._push(mac)
            return
        self._remember(mac)
        if self._all_told or time - self._since >= self.limits.learn_ns:
            self._waiting[mac] = device

    def _count(self, device: Device) -> Flood | None:
        time = device.time
        learning = time - self._since < self.limits.learn_ns
        most = self.limits.flood * (LEARNING if learning else 1)
        self._fresh.append((time, device.capture, device.frame))
        del self._fresh[: -self.limits.flood * LEARNING]
        if len(self._fresh) < most or time - self._fresh[-most][0] >= FLOOD_NS:
            return None
        places = [(capture, frame) for _, capture, frame in reversed(self._fresh[-10:])]
        self._fresh = []
        self._flood_ends = (time + FLOOD_NS) // NS + 1
        for mac in [m for m, d in self._waiting.items() if time - d.time < FLOOD_NS]:
            del self._waiting[mac]
            self._seen.pop(mac, None)
            self._push(mac)
        self._push(device.mac)
        return Flood(time, most, places)

    def _push(self, mac: int) -> None:
        self._crowd[mac] = None
        if len(self._crowd) > MOST_CROWD:
            del self._crowd[next(iter(self._crowd))]

    def _remember(self, mac: int) -> None:
        self._crowd.pop(mac, None)
        self._seen[mac] = None
        if len(self._seen) > self.limits.devices:
            del self._seen[next(iter(self._seen))]
            self.evicted += 1

    def says(self, mac: int, time: int, ip: str = "", host: str = "") -> Iterator[Device]:
        """What a device says of itself; it is told as soon as its address is known."""
        yield from self.due(time)
        device = self._waiting.get(mac)
        if device is None:
            return
        device.host = device.host or host
        device.ip = device.ip or ip
        if device.ip:
            yield self._waiting.pop(mac)

    def due(self, now: int) -> Iterator[Device]:
        """The devices that have waited long enough."""
        while self._waiting:
            device = next(iter(self._waiting.values()))
            if now - device.time <= self.limits.wait_ns:
                return
            yield self._waiting.pop(device.mac)

    def save(self) -> list[Any]:
        """The state, as plain data."""
        waiting = [msgspec.structs.astuple(device) for device in self._waiting.values()]
        numbers = [self._since, self._last, self._flood_ends, self.evicted]
        return [numbers, list(self._seen), list(self._crowd), waiting, self._fresh]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        numbers, seen, crowd, waiting, fresh = state
        self._since, self._last, self._flood_ends, self.evicted = numbers
        self._seen, self._crowd = dict.fromkeys(seen), dict.fromkeys(crowd)
        self._waiting = {values[0]: Device(*values) for values in waiting}
        self._fresh = [tuple(each) for each in fresh]
