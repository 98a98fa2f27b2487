"""Live packets of network interfaces: memory-mapped rings on Linux, scapy elsewhere."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from mlids.batches import InputStatus, Monitor, PacketBatch
from mlids.capture.packets import words
from mlids.capture.reassembly import Reassembly
from mlids.capture.ring_frames import Live, merged
from mlids.capture.rings import HAS_PACKET_SOCKETS, Watched
from mlids.errors import MLIDSError

if TYPE_CHECKING:
    from numpy.typing import NDArray

WAIT_MS = 500
HEARTBEAT_S = 1.0
LAST_BLOCKS_S = 1.0


class NetworkSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """What is watched, and how."""

    interfaces: Annotated[
        list[str],
        msgspec.Meta(
            min_length=1, description="names; auto: those that lead outside", extra={"key": ""}
        ),
    ] = msgspec.field(default_factory=lambda: ["auto"])
    filter: Annotated[str, msgspec.Meta(description="only these packets, as tcpdump says it")] = ""
    promiscuous: Annotated[
        bool, msgspec.Meta(description="also packets that are for other machines")
    ] = True
    snaplen: Annotated[
        int, msgspec.Meta(ge=64, le=65535, description="bytes kept of each packet")
    ] = 256
    ring_mb: Annotated[
        int, msgspec.Meta(ge=1, le=1024, description="megabytes of buffer for each interface")
    ] = 16
    sampling_rate: Annotated[
        float,
        msgspec.Meta(
            gt=0, le=1, description="share of conversations looked at, for links that are too fast"
        ),
    ] = 1.0
    exclude_endpoints: Annotated[
        list[tuple[str, int]],
        msgspec.Meta(description="(address, port) whose packets are left out", extra={"key": ""}),
    ] = []


class Network(Monitor):
    """Watches interfaces together, as one input sorted by time.

    Packets going out are seen too; on loopback each packet once. An interface that fails is told
    once and taken up again when it is back.
    """

    Settings = NetworkSettings
    kind = PacketBatch
    settings: NetworkSettings

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._watched: list[Watched] = []
        self._frame = 1
        self._now = 0
        self._reassembly = Reassembly()
        # Elsewhere than on Linux no kernel samples for us: then everything is looked at.
        self._share = self.settings.sampling_rate if HAS_PACKET_SOCKETS else 1.0
        self._excluded: tuple[tuple[int, int, int], ...] = ()
        self.exclude(self.settings.exclude_endpoints)

    def exclude(self, endpoints: Iterable[tuple[str, int]]) -> None:
        """Leave out packets from and to these (address, port) from now on; any thread may call it.

        Raises ValueError where an address is none.
        """
        self._excluded = tuple((*words(host), int(port)) for host, port in endpoints)

    def open(self) -> None:
        """Open the interfaces. Raises `MLIDSError` E003, E009, E002 or E005 where none can be."""
        if self._watched:
            return
        watched, failures = [], []
        for name in self._names():
            each = Watched(name, self.settings)
            try:
                each.open()
                watched.append(each)
            except MLIDSError as error:
                failures.append(error)
        if not watched:
            raise failures[0] if failures else MLIDSError("E003", "there is no interface")
        for failure in failures:
            self.tell(failure)
        self._watched = watched

    def _names(self) -> list[str]:
        chosen = [name for name in self.settings.interfaces if name != "auto"]
        if "auto" in self.settings.interfaces:
            if not hasattr(socket, "AF_PACKET"):
                from mlids.capture.scapy_ring import automatic
            else:
                from mlids.capture.interfaces import automatic
            chosen += automatic()
        return list(dict.fromkeys(chosen))

    def batches(self, stop: threading.Event) -> Iterator[PacketBatch]:
        """Yield packets as they come, an empty batch each second where none come."""
        self.open()
        quiet_since = looked = time.monotonic()
        while not stop.is_set():
            self._wait()
            batch = self._taken()
            if time.monotonic() - looked >= HEARTBEAT_S:
                looked = time.monotonic()
                for each in self._watched:
                    each.look_after(self.tell)
            if batch is not None:
                quiet_since = time.monotonic()
                yield batch
            elif time.monotonic() - quiet_since >= HEARTBEAT_S:
                quiet_since = time.monotonic()
                yield self._heartbeat()
        yield from self._rest()

    def _wait(self) -> None:
        """Until a block is ready, an interface fails or half a second passed."""
        poll, waiting = select.poll(), False
        for each in self._watched:
            if (number := each.fileno()) >= 0:
                poll.register(number, select.POLLIN | select.POLLERR)
                waiting = True
        if not waiting and not any(each.polled for each in self._watched):
            time.sleep(WAIT_MS / 1000)  # all are gone
        elif waiting:
            for number, events in poll.poll(WAIT_MS):
                if events & ~select.POLLIN:
                    self._failed(number)

    def _failed(self, number: int) -> None:
        for each in self._watched:
            if each.fileno() == number:
                each.look_after(self.tell)

    def _taken(self) -> PacketBatch | None:
        found = [(each, live) for each in self._watched if (live := each.take()) is not None]
        if not found:
            return None
        owners = [each for each, _ in found]
        batch, owner = self._merged([live for _, live in found])
        if self._excluded and (own := self._own(batch)).any():
            for number, count in enumerate(np.bincount(owner[own], minlength=len(owners))):
                owners[number].own += int(count)
            kept = np.flatnonzero(~own)
            batch, owner = batch.take(kept), owner[kept]
        if batch.fault.any():
            faulty = np.bincount(owner[batch.fault > 0], minlength=len(owners))
            for number, count in enumerate(faulty):
                owners[number].rejected += int(count)
        return self._reassembly.completed(batch)

    def _merged(self, parts: list[Live]) -> tuple[PacketBatch, NDArray[np.int64]]:
        source = ",".join(each.name for each in self._watched)
        batch, owner = merged(parts, source, self._frame, self._now)
        object.__setattr__(batch, "sampled", self._share)
        self._frame += len(batch)
        self._now = batch.now
        return batch, owner

    def _own(self, batch: PacketBatch) -> NDArray[np.bool_]:
        """Which packets come from or go to an excluded endpoint."""
        own = np.zeros(len(batch), bool)
        for hi, lo, port in self._excluded:
            for side, number in (("src", batch.sport), ("dst", batch.dport)):
                same = number == port
                if same.any():
                    same &= getattr(batch, f"{side}_lo") == np.uint64(lo)
                    same &= getattr(batch, f"{side}_hi") == np.uint64(hi)
                    own |= same
        return own

    def _heartbeat(self) -> PacketBatch:
        self._now = max(self._now, time.time_ns())
        return self._merged([Live.none()])[0]

    def _rest(self) -> Iterator[PacketBatch]:
        """What the kernel still holds when the end is wanted, so that every packet is counted."""
        for each in self._watched:
            each.deafen()
        end = time.monotonic() + LAST_BLOCKS_S
        while time.monotonic() < end:
            if (batch := self._taken()) is not None:
                yield batch
            elif all(each.drained() for each in self._watched):
                break
            else:
                time.sleep(0.02)

    def close(self) -> None:
        """Let go of the interfaces."""
        for each in self._watched:
            each.close()

    def inputs(self) -> list[InputStatus]:
        """Each interface: packets read, dropped by the kernel, own (left out), rejected."""
        found = [each.status() for each in self._watched]
        if found and self._reassembly.evicted:  # of all interfaces together
            found[0].counts["given_up"] = self._reassembly.evicted
        return found
