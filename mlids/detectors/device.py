"""Devices on the link: those that were not there before, and known ones that serve what is new."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from mlids.batches import Detector, PacketBatch
from mlids.capture import dhcp
from mlids.capture.addresses import MAPPED, Networks, address, is_group, words
from mlids.capture.macs import GROUP, mac_number, macs
from mlids.capture.neighbours import neighbours
from mlids.episodes import Episodes
from mlids.events import Event
from mlids.neighbours.devices import Device as Met
from mlids.neighbours.devices import Devices, Flood, Limits
from mlids.neighbours.meetings import host_text, of_device, of_flood, of_port, way

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]

MacText = Annotated[str, msgspec.Meta(pattern=r"^\s*[0-9A-Fa-f]{2}([:.-]?[0-9A-Fa-f]{2}){5}\s*$")]
NS = 1_000_000_000
QUIET_S = 900.0
SYN, SYN_ACK = 0x02, 0x12
TCP, UDP = 6, 17
BUSY_PORTS = (53, 443)  # of whose datagrams one in SHARE tells of its sender
SHARE = 8
SLOT_BITS = 16


class KnownDevice(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One device that may be there."""

    mac: Annotated[MacText, msgspec.Meta(description="its hardware address")]
    name: Annotated[str, msgspec.Meta(description="what it is called")] = ""
    ports: Annotated[
        list[int] | None, msgspec.Meta(description="ports it serves; not given: any")
    ] = None


class DeviceSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Which devices may be there, and when strangers are too many."""

    known_devices: Annotated[
        list[KnownDevice], msgspec.Meta(description="mac, name, ports; others are told at once")
    ] = []
    learn_s: Annotated[
        float, msgspec.Meta(ge=0, description="s in which devices are learnt, if none are listed")
    ] = 600.0
    wait_s: Annotated[
        float, msgspec.Meta(ge=0, le=300, description="s to wait for a new device's address")
    ] = 5.0
    flood_macs: Annotated[
        int, msgspec.Meta(ge=10, le=100_000, description="new senders in 10 s that are a flood")
    ] = 200
    max_devices: Annotated[
        int, msgspec.Meta(ge=100, le=1_000_000, description="devices remembered")
    ] = 65_536
    exclude_ips: Annotated[
        list[str],
        msgspec.Meta(description="addresses left out", extra={"key": "network.exclude_ips"}),
    ] = []


class Device(Detector[PacketBatch]):
    """Says which devices are new on the link, and which known one serves an unexpected port.

    A device is known by its hardware address; it is met in ARP, neighbour discovery, DHCP, first
    packets of connections and datagrams, never by what a router carries for others.
    """

    Settings = DeviceSettings
    kind = PacketBatch
    settings: DeviceSettings

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        s = self.settings
        listed = {mac_number(known.mac): known for known in s.known_devices}
        limits = Limits(s.flood_macs, int(s.wait_s * NS), int(s.learn_s * NS), s.max_devices)
        self._listed = listed
        self._devices = Devices(limits, bool(listed), frozenset(listed))
        limited = {mac: known for mac, known in listed.items() if known.ports is not None}
        self._limited = np.array(sorted(limited), np.uint64)
        self._allowed = np.array(
            [mac << 16 | port for mac, known in limited.items() for port in known.ports or ()],
            np.uint64,
        )
        self._slots = np.zeros(1 << SLOT_BITS, np.uint64)  # devices that need no second look
        self._episodes = Episodes(QUIET_S)
        self._excluded = Networks(s.exclude_ips)
        self._captures: list[str] = []

    def inspect(self, batch: PacketBatch) -> Iterable[Event]:
        """New devices, unexpected ports, and what ended episodes held back."""
        events = list(self._inspect(batch)) if len(batch) else []
        events += [e for device in self._devices.due(batch.now) for e in self._told(device)]
        return events + self._episodes.close(batch.now)

    def flush(self) -> Iterable[Event]:
        """Devices that still wait for their address, and what was held back."""
        events = [e for device in self._devices.due(1 << 62) for e in self._told(device)]
        return events + self._episodes.flush()

    def counts(self) -> dict[str, int]:
        """Devices and episodes given up for lack of room."""
        return {
            "evicted_devices": self._devices.evicted,
            "evicted_episodes": self._episodes.evicted,
        }

    def _inspect(self, batch: PacketBatch) -> Iterator[Event]:
        if batch.source not in self._captures:
            self._captures.append(batch.source)
        rows, senders = self._strangers(batch)
        steps: list[tuple[int, int, Any]] = [
            (row, 0, self._met(batch, row, mac))
            for row, mac in zip(rows.tolist(), senders.tolist(), strict=True)
        ]
        if steps or self._devices.waiting:
            of_interest = np.append(senders, np.array(self._devices.waiting, np.uint64))
            steps += self._said(batch, of_interest)
        steps += [(row, -1, self._begun(batch, row)) for row in self._devices.begins(batch.time)]
        if len(self._limited):
            steps += self._served(batch)
        for _, _, step in sorted(steps, key=lambda each: each[:2]):
            yield from step
        self._noted(senders)

    def _strangers(self, batch: PacketBatch) -> tuple[Rows, NDArray[np.uint64]]:
        """Rows of senders that are not known yet, one a second for each of them."""
        # Of TCP the first packets of connections, and what cannot be read (floods are made of it).
        rows = np.flatnonzero((batch.protocol != TCP) | (batch.flags & SYN > 0) | (batch.fault > 0))
        sport, dport = batch.sport[rows], batch.dport[rows]
        busy = (dport == BUSY_PORTS[0]) | (dport == BUSY_PORTS[1])
        busy |= (sport == BUSY_PORTS[0]) | (sport == BUSY_PORTS[1])
        busy &= (sport ^ dport) % SHARE > 0
        rows = rows[~busy | (batch.protocol[rows] != UDP)]
        rows = rows[batch.fault[rows] != 2]
        senders = macs(batch, rows)[0]
        new = (self._slots[_slot(senders)] != senders) & (senders & GROUP == 0) & (senders > 0)
        rows, senders = rows[new], senders[new]
        if not len(rows):
            return rows, senders
        moments = senders ^ (batch.time[rows] // NS).astype(np.uint64) << np.uint64(48)
        first = np.sort(np.unique(moments, return_index=True)[1])
        return rows[first], senders[first]

    def _noted(self, senders: NDArray[np.uint64]) -> None:
        for mac in np.unique(senders).tolist():
            if self._devices.settled(mac):
                self._slots[_slot(np.array([mac], np.uint64))] = mac

    def _met(self, batch: PacketBatch, row: int, mac: int) -> Iterator[Event]:
        frame, capture = int(batch.frame[row]), self._captures.index(batch.source)
        met = Met(mac, int(batch.time[row]), frame, capture, way(batch, row))
        for found in self._devices.met(met):
            yield from self._flooded(found) if isinstance(found, Flood) else self._told(found)

    def _begun(self, batch: PacketBatch, row: int) -> Iterator[Event]:
        self._devices.begin(int(batch.time[row]))
        yield from ()

    def _said(self, batch: PacketBatch, of_interest: NDArray[np.uint64]) -> Iterator[Any]:
        """What devices that are to be told say of themselves."""
        claims, leases = neighbours(batch).claims, dhcp.messages(batch)
        for n in np.flatnonzero(np.isin(claims.mac, of_interest)).tolist():
            mac, ip = int(claims.mac[n]), address(int(claims.hi[n]), int(claims.lo[n]))
            yield int(claims.row[n]), 1, self._says(batch, int(claims.row[n]), mac, ip)
        for n in np.flatnonzero(np.isin(leases.mac, of_interest)).tolist():
            ip, host = "", ""
            if not leases.reply[n]:
                host = host_text(leases.value(batch, n, dhcp.HOST_NAME))
            elif leases.kind[n] == dhcp.ACK and leases.given[n]:
                ip = address(0, int(leases.given[n]) | MAPPED)
            row = int(leases.row[n])
            yield row, 1, self._says(batch, row, int(leases.mac[n]), ip, host)

    def _says(
        self, batch: PacketBatch, row: int, mac: int, ip: str, host: str = ""
    ) -> Iterator[Event]:
        for device in self._devices.says(mac, int(batch.time[row]), ip, host):
            yield from self._told(device)

    def _served(self, batch: PacketBatch) -> Iterator[Any]:
        """Answers of known devices from ports that they are not to serve.

        A handshake's answer, or a datagram from a port below 1024 to one above.
        """
        answers = batch.flags & SYN_ACK == SYN_ACK
        answers |= (batch.protocol == UDP) & (batch.sport < 1024) & (batch.dport >= 1024)
        rows = np.flatnonzero(answers)
        senders = macs(batch, rows)[0]
        offered = senders << np.uint64(16) | batch.sport[rows].astype(np.uint64)
        bad = np.isin(senders, self._limited) & ~np.isin(offered, self._allowed)
        bad &= ~is_group(batch.dst_hi[rows], batch.dst_lo[rows])
        if self._excluded:
            bad &= ~self._excluded.among(batch.src_hi[rows], batch.src_lo[rows])
        for row, mac in zip(rows[bad].tolist(), senders[bad].tolist(), strict=True):
            yield row, 2, self._serves(batch, row, mac)

    def _serves(self, batch: PacketBatch, row: int, mac: int) -> Iterator[Event]:
        port, protocol = int(batch.sport[row]), int(batch.protocol[row])
        known = self._listed[mac]
        told = of_port(batch, row, mac, known.name, known.ports or [])
        key = ("unexpected-port", mac, protocol, port)
        yield from self._episodes.trigger(key, int(batch.time[row]), told)

    def _told(self, device: Met) -> Iterator[Event]:
        if self._excluded and device.ip and self._excluded.holds(*words(device.ip)):
            return
        told = of_device(device, self._captures, bool(self._listed))
        yield from self._episodes.trigger(("new", device.mac), device.time, told)

    def _flooded(self, flood: Flood) -> Iterator[Event]:
        told = of_flood(flood, self._captures)
        yield from self._episodes.trigger(("mac-flood",), flood.time, told)

    def save(self) -> dict[str, Any]:
        """The state, as plain data."""
        return {
            "devices": self._devices.save(),
            "episodes": self._episodes.save(),
            "captures": self._captures,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._devices.restore(state["devices"])
        self._episodes.restore(state["episodes"])
        self._captures = list(state["captures"])


def _slot(senders: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return senders * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(64 - SLOT_BITS)
