"""Contacts below TCP and UDP: ICMP questions, IP protocols, ARP requests without an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlids.capture import links
from mlids.capture.addresses import MAPPED, is_group
from mlids.capture.headers import gather, ipv4_header
from mlids.capture.mixing import endpoint, pair_key
from mlids.scans.contacts import (
    ASK,
    OPEN,
    Attempts,
    Kind,
    contacts,
    grouped,
    groups,
    pending_contact,
    taken,
    whole,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch
    from mlids.scans.contacts import Records
    from mlids.scans.forwarders import Forwarders

    Rows = NDArray[Any]

ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
ECHO, TIMESTAMP, INFORMATION, MASK = 8, 13, 15, 17  # RFC 792, RFC 950
ECHO6, UNREACHABLE, UNREACHABLE6, NO_PROTOCOL = 128, 3, 1, 2
REQUEST, REPLY = 1, 2
ONCE_NS = 10_000_000_000  # of one host's packets of one protocol to another one counts in so long
SPOKEN_NS = 60_000_000_000  # what one side spoke so long ago the other one may answer
SEEN_BITS = 14


class Rest(NamedTuple):
    """Rows that are neither TCP nor UDP, by what they are."""

    questions: Rows  # ICMP that any host answers: echo, time stamp, address mask
    lost: Rows  # destination unreachable
    arp: Rows
    others: Rows  # IP of other protocols, and of common ones without a header of theirs


def rest(batch: PacketBatch) -> Rest:
    """The rows of a batch that are of interest besides TCP and UDP."""
    rows = np.flatnonzero((batch.protocol != TCP) & (batch.protocol != UDP))
    protocol, kinds = batch.protocol[rows], batch.icmp_type[rows]
    four = (protocol == ICMP) & (batch.transport[rows] > 0)
    six = (protocol == ICMP6) & (batch.transport[rows] > 0)
    asks = (kinds == ECHO) | (kinds == TIMESTAMP) | (kinds == INFORMATION) | (kinds == MASK)
    arp = (batch.ethertype[rows] == links.ARP) & (batch.fault[rows] == 0)
    ip = (batch.ethertype[rows] == links.IPV4) | (batch.ethertype[rows] == links.IPV6)
    others = rows[ip & (protocol != ICMP) & (protocol != ICMP6)]
    bare = np.flatnonzero(batch.fault)
    if len(bare):
        bare = bare[_headless(batch, bare)]
        others = np.union1d(others, bare)
    return Rest(
        rows[four & asks | six & (kinds == ECHO6)],
        rows[four & (kinds == UNREACHABLE) | six & (kinds == UNREACHABLE6)],
        rows[arp],
        others,
    )


def _headless(batch: PacketBatch, rows: Rows) -> NDArray[np.bool_]:
    """Whole packets of common protocols that end before the header of that protocol."""
    found: NDArray[np.bool_] = np.isin(batch.protocol[rows], (ICMP, TCP, UDP, ICMP6))
    found &= (batch.transport[rows] == 0) & (batch.fragment[rows] == 0)
    ip = gather(batch.data, batch.start[rows] + batch.network[rows], ipv4_header())
    size = (ip["first"] & 15).astype(np.int64) * 4
    found &= (batch.ethertype[rows] == links.IPV4) & (ip["total"].astype(np.int64) - size < 8)
    return found


class Protocols:
    """IP protocols that one host tries on another one, those aside that all hosts speak.

    nmap -sO sends packets of up to 256 protocols, most of them empty. TCP, UDP and ICMP count only
    where their header is missing or where the target says that it does not speak them; packets to
    groups (routing protocols) never do, nor what answers the other side within a minute. Of many
    packets of one protocol one in ten seconds is enough.
    """

    def __init__(self) -> None:
        self._seen = np.zeros(1 << SEEN_BITS, np.uint64)
        self._pairs = np.zeros(1 << SEEN_BITS, np.uint64)
        self._spoken = np.zeros((2, 1 << SEEN_BITS), np.int64)  # when each side spoke last

    def inspect(self, batch: PacketBatch, rows: Rest, capture: int) -> list[Records]:
        """PROTOCOL where one is tried; PROTOCOL_ANSWERED where the other side spoke it too."""
        found = []
        others = self._new(batch, rows.others)
        if len(others):
            answer = self._answers(batch, others)
            made = contacts(batch, others, capture, Kind.PROTOCOL)
            made["port"] = batch.protocol[others]
            tried, answered = made[~answer], made[answer]
            for name, other in (("src_hi", "dst_hi"), ("src_lo", "dst_lo")):
                answered[name], answered[other] = made[other][answer], made[name][answer]
            answered["kind"] = Kind.PROTOCOL_ANSWERED
            found += [each for each in (tried, answered) if len(each)]
        lost = rows.lost[(batch.icmp_code[rows.lost] == NO_PROTOCOL)]
        lost = lost[batch.protocol[lost] == ICMP]
        if len(lost):
            found.append(_unspoken(batch, lost, capture))
        return found

    def _new(self, batch: PacketBatch, rows: Rows) -> Rows:
        """The rows that say something new, a group's and a nobody's aside."""
        if not len(rows):
            return rows
        single = ~is_group(batch.dst_hi[rows], batch.dst_lo[rows])
        rows = rows[single & (batch.src_hi[rows] | batch.src_lo[rows] > 0)]
        turn = (batch.time[rows] // ONCE_NS).astype(np.uint64)
        src, dst = _ends(batch, rows)
        key = endpoint(pair_key(src, dst), turn, batch.protocol[rows])
        first = groups(key).first
        first.sort()
        slots = key[first] >> np.uint64(64 - SEEN_BITS)
        first = first[self._seen[slots] != key[first]]
        self._seen[key[first] >> np.uint64(64 - SEEN_BITS)] = key[first]
        new: Rows = rows[first]
        return new

    def _answers(self, batch: PacketBatch, rows: Rows) -> NDArray[np.bool_]:
        """Which rows come from a side that the other one spoke the same protocol to before."""
        src, dst = _ends(batch, rows)
        nobody = np.zeros(len(rows), np.uint64)
        key = endpoint(nobody, src + dst, batch.protocol[rows])
        side, time = (src > dst).astype(np.int64), batch.time[rows]
        slots = (key >> np.uint64(64 - SEEN_BITS)).view(np.int64)
        other = np.where(self._pairs[slots] == key, self._spoken[1 - side, slots], -SPOKEN_NS)
        order = grouped(key)
        fresh = np.ones(len(rows), bool)
        np.not_equal(key[order][1:], key[order][:-1], out=fresh[1:])
        place = np.arange(len(rows))
        begin = np.maximum.accumulate(np.where(fresh, place, 0))
        for way in (0, 1):  # the latest row before, of this side and the same key
            latest = np.maximum.accumulate(np.where(side[order] == way, place, -1))
            known = np.flatnonzero((latest >= begin) & (side[order] != way))
            other[order[known]] = time[order[latest[known]]]
        forgotten = self._pairs[slots] != key
        self._pairs[slots] = key
        self._spoken[:, slots[forgotten]] = -SPOKEN_NS
        self._spoken[side, slots] = time
        answers: NDArray[np.bool_] = time - other <= SPOKEN_NS
        return answers

    def save(self) -> list[bytes]:
        """The state, as plain data."""
        used = np.flatnonzero(self._pairs)
        parts = (self._seen[self._seen > 0], used, self._pairs[used], self._spoken[:, used])
        return [part.tobytes() for part in parts]

    def restore(self, state: list[bytes]) -> None:
        """Take up a state that `save` gave."""
        seen, used = np.frombuffer(state[0], np.uint64), np.frombuffer(state[1], np.int64)
        self._seen[seen >> np.uint64(64 - SEEN_BITS)] = seen
        self._pairs[used] = np.frombuffer(state[2], np.uint64)
        self._spoken[:, used] = np.frombuffer(state[3], np.int64).reshape(2, -1)


def _ends(batch: PacketBatch, rows: Rows) -> tuple[Any, Any]:
    """Numbers of sender and receiver."""
    nobody = np.zeros(len(rows), np.uint16)
    return (
        endpoint(batch.src_hi[rows], batch.src_lo[rows], nobody),
        endpoint(batch.dst_hi[rows], batch.dst_lo[rows], nobody),
    )


def _unspoken(batch: PacketBatch, rows: Rows, capture: int) -> Records:
    """Refusals of a protocol (ICMP 3/2), as contacts of whose packet they quote."""
    quoted = gather(batch.data, batch.payload_start[rows], ipv4_header())
    room = batch.start[rows] + batch.captured[rows] - batch.payload_start[rows]
    source = quoted["src"].astype(np.uint64) | np.uint64(MAPPED)
    fine = (room >= 20) & (quoted["first"] >> 4 == 4)
    fine &= (batch.dst_hi[rows] == 0) & (batch.dst_lo[rows] == source)
    rows, quoted = rows[fine], quoted[fine]
    made = contacts(batch, rows, capture, Kind.PROTOCOL)
    made["src_hi"], made["src_lo"] = batch.dst_hi[rows], batch.dst_lo[rows]
    made["dst_hi"] = 0
    made["dst_lo"] = quoted["dst"].astype(np.uint64) | np.uint64(MAPPED)
    made["port"], made["socket"] = quoted["protocol"], 1
    return made


class ArpContacts:
    """ARP requests that stay unanswered for `grace_ns`.

    Not counted: probes (RFC 5227: the sender has no address yet), announcements (who asks for
    itself), and whoever forwards packets of others, since a gateway has to ask for whomever they
    are sent to. What is answered is no evidence: a server that talks to twenty neighbours asks for
    all of them, and gets its answers; of what a scanner asks for most is not there.
    """

    def __init__(self, grace_ns: int, most: int) -> None:
        self.attempts = Attempts(grace_ns, most)

    def inspect(
        self, batch: PacketBatch, rows: Rows, capture: int, forwarders: Forwarders
    ) -> list[Records]:
        """ARP contacts, each when its time for an answer has passed."""
        if not len(rows) and not len(self.attempts.pending):
            return []
        kinds = batch.icmp_type[rows]
        src, dst = batch.src_lo[rows], batch.dst_lo[rows]
        fine = ((kinds == REQUEST) | (kinds == REPLY)) & (src != dst) & (src != MAPPED)
        rows, kinds = rows[fine], kinds[fine]
        ask = kinds == REQUEST
        a = endpoint(batch.src_hi[rows], batch.src_lo[rows], np.zeros(len(rows), np.uint16))
        b = endpoint(batch.dst_hi[rows], batch.dst_lo[rows], np.zeros(len(rows), np.uint16))
        key = pair_key(np.where(ask, a, b), np.where(ask, b, a))
        runs = self.attempts.runs(key, batch.time[rows], np.where(ask, ASK, OPEN).astype(np.uint8))
        runs = runs.unopened()
        made = np.zeros(len(runs.key), pending_contact())
        old = runs.origin < 0
        whole(made)[old] = whole(self.attempts.pending)[~runs.origin[old]]
        made["key"], made["first"], made["last"] = runs.key, runs.first, runs.last
        asks = rows[runs.origin[~old]]
        made["contact"][~old] = contacts(batch, asks, capture, Kind.ARP)
        forwarders.note_askers(batch, asks)
        late = (made["first"] + self.attempts.grace < batch.now) & (made["told"] == 0)
        silent = made["contact"][late]
        silent["time"] += self.attempts.grace
        made["told"][late] = 1
        given_up = self.attempts.keep(taken(made, ~runs.ended), batch.now)["contact"]
        found = [silent, given_up]
        return [forwarders.without(each) for each in found if len(each)]

    def flush(self, forwarders: Forwarders) -> list[Records]:
        """Requests whose grace the end of the input cut short."""
        left = self.attempts.pending
        rest = left["contact"][left["told"] == 0].copy()
        rest["time"] += self.attempts.grace
        left["told"] = 1
        return [forwarders.without(rest)] if len(rest) else []
