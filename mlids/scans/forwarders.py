"""Hosts of the link that forward packets of others: gateways, which may ask for anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.capture.addresses import MAPPED, Networks
from mlids.capture.flows import flows
from mlids.capture.macs import GROUP, macs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch
    from mlids.scans.contacts import Records

    Rows = NDArray[Any]
    Words = NDArray[np.uint64]

SEEN_BITS = 16
PLENTY = 4096  # addresses that each conversation is looked at for; then one in eight is enough
MOST = 16_384  # hosts of the link that are remembered
OTHERS = 2  # addresses not its own that a host must stand for; one is enough from outside


class Forwarders:
    """Learns from IP packets which hardware address stands for which IPv4 addresses.

    A host forwards if packets of (or for) an address outside the home networks carry its hardware
    address, or those of two addresses other than its own. A host with several own addresses is
    taken for a forwarder, too: better that than blaming a gateway. `gateways` always are.
    """

    def __init__(self, home: Networks, gateways: Networks) -> None:
        self._home = home
        self._gateways = gateways
        self._seen = np.zeros(1 << SEEN_BITS, bool)  # by address: it was learnt from
        self._count = self._learnt = 0
        self._hosts: dict[int, list[tuple[int, int]]] = {}  # by hardware address: (address, since)
        self._askers: dict[int, int] = {}  # by address: hardware address

    def learn(self, batch: PacketBatch) -> None:
        """Take note of addresses that appear for the first time.

        One packet of each conversation tells as much as all of them, whichever way it goes.
        """
        talks = flows(batch)
        rows = talks.row
        if self._learnt > PLENTY:
            rows = rows[talks.key & np.uint64(7) == 0]
        found = [self._new(column[rows]) for column in (batch.src_lo, batch.dst_lo)]
        if not len(found[0]) and not len(found[1]):
            return
        place = np.concatenate((found[0] * 2, found[1] * 2 + 1))  # in order of appearance
        place.sort()
        row, receiver = rows[place // 2], place % 2 == 1
        address = np.where(receiver, batch.dst_lo[row], batch.src_lo[row])
        slots, first = np.unique(_slots(address), return_index=True)
        self._seen[slots] = True
        self._count += len(slots)
        self._learnt += len(slots)
        first.sort()
        self._note(batch, row[first], address[first], receiver[first])
        if self._count > 1 << SEEN_BITS - 1:  # too full to notice new gateways
            self._seen[:], self._count = False, 0

    def _new(self, address: Words) -> Rows:
        """Which of these IPv4 addresses were not learnt from yet."""
        rows = np.flatnonzero(~np.take(self._seen, _slots(address)))
        four: Rows = rows[address[rows] >> np.uint64(32) == MAPPED >> 32]
        return four

    def _note(
        self, batch: PacketBatch, rows: Rows, address: Words, receiver: NDArray[np.bool_]
    ) -> None:
        mac = np.where(receiver, *macs(batch, rows)[::-1])
        fine = (mac > 0) & (mac & GROUP == 0) & (batch.tunnel[rows] == 0)
        fine &= batch.src_hi[rows] == 0
        decided = [mac for mac, known in self._hosts.items() if len(known) > OTHERS]
        if decided:
            fine &= ~np.isin(mac, np.array(decided, np.uint64))
        rows, address, mac = rows[fine], address[fine], mac[fine]
        outside = ~self._home.among(np.zeros(len(address), np.uint64), address)
        columns = (mac, address, outside, batch.time[rows])
        for number, ip, far, time in zip(*(c.tolist() for c in columns), strict=True):
            self._add(number, ip, far, time)

    def _add(self, mac: int, ip: int, far: bool, time: int) -> None:
        known = self._hosts.pop(mac, [])
        self._hosts[mac] = known
        if len(self._hosts) > MOST:
            del self._hosts[next(iter(self._hosts))]
        # One that is far away stands for as many as are needed.
        for _ in range(OTHERS if far else 1):
            if len(known) <= OTHERS and (far or all(ip != other for other, _ in known)):
                known.append((ip, time))

    def note_askers(self, batch: PacketBatch, rows: Rows) -> None:
        """Whose hardware addresses these ARP requests carry."""
        if not len(rows):
            return
        for ip, mac in zip(batch.src_lo[rows].tolist(), macs(batch, rows)[0].tolist(), strict=True):
            self._askers.pop(ip, None)
            self._askers[ip] = mac
        while len(self._askers) > MOST:
            del self._askers[next(iter(self._askers))]

    def without(self, asks: Records) -> Records:
        """The ARP contacts of those who do not forward, as of the time of each."""
        kept = [
            not self.forwards(ip, time)
            for ip, time in zip(asks["src_lo"].tolist(), asks["time"].tolist(), strict=True)
        ]
        left: Records = asks[np.array(kept, bool)]
        return left

    def forwards(self, ip: int, time: int) -> bool:
        """Whether the host that asks with this address is known to forward by then."""
        if self._gateways.holds(0, ip):
            return True
        known = self._hosts.get(self._askers.get(ip, 0), ())
        return sum(other != ip and since <= time for other, since in known) >= OTHERS

    def save(self) -> list[Any]:
        """The state, as plain data."""
        hosts = [[mac, [list(each) for each in known]] for mac, known in self._hosts.items()]
        askers = list(map(list, self._askers.items()))
        return [np.flatnonzero(self._seen).tobytes(), hosts, askers, self._learnt]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        seen = np.frombuffer(state[0], np.int64)
        self._seen[seen] = True
        self._count = len(seen)
        self._hosts = {mac: [(ip, since) for ip, since in known] for mac, known in state[1]}
        self._askers, self._learnt = dict(state[2]), state[3]


def _slots(address: Words) -> NDArray[np.int64]:
    mixed = address * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed >>= np.uint64(64 - SEEN_BITS)
    return mixed.view(np.int64)
