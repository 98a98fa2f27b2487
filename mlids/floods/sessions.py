"""Encrypted sessions that look as if a login failed: their number of packets and bytes each way.

SSH: after the key exchange a server that refuses says only small things, while one that lets in
tells its host keys, its message of the day and what was asked for, and file transfers say far more
(compare Zeek's heuristic, and Hellemons and others, "SSHCure: a flow-based SSH intrusion detection
system", 2012). Port scans and `ssh-keyscan` leave before they try to log in. RDP and VNC: sessions
that end with the login.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlids.capture.flows import flows
from mlids.floods.records import grouped, record, records
from mlids.volume import NS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch

    Places = NDArray[np.int64]

SYN, ACK, FIN_RST = 2, 16, 5
NEVER = (1 << 63) - 1
EXCHANGE = 5  # answers of a server until it says what became of the login
FORGOTTEN_NS = 600 * NS


class Shape(NamedTuple):
    """Sessions that end with a login that failed: bytes each way, packets each way, seconds."""

    service: str
    up: range
    down: range
    packets: int
    seconds: int
    late: int  # the largest answer after the first `EXCHANGE`


SHAPES = {
    22: Shape("ssh", range(500, 6000), range(500, 6000), EXCHANGE, 120, 200),
    2222: Shape("ssh", range(500, 6000), range(500, 6000), EXCHANGE, 120, 200),
    3389: Shape("rdp", range(800, 6000), range(800, 6000), 4, 30, 2000),
    5900: Shape("vnc", range(25, 80), range(30, 200), 3, 30, 200),
    5901: Shape("vnc", range(25, 80), range(30, 200), 3, 30, 200),
}


@cache
def _session() -> np.dtype[Any]:
    return np.dtype(
        [
            ("syn", record()),
            ("up", "i8"),  # bytes of payload
            ("down", "i8"),
            ("ups", "i8"),  # packets with payload
            ("downs", "i8"),
            ("late", "i8"),
            ("ended", "i8"),
        ]
    )


class Sessions:
    """Sessions of these services that are open, at most `most`."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.evicted = 0
        self._open: NDArray[Any] = np.zeros(0, _session())

    def inspect(self, batch: PacketBatch, rows: Places, capture: int) -> None:
        """Take up rows of these services, in order."""
        known = flows(batch)
        self._add(batch, rows, known.key[known.of_row[rows]], capture)
        held = self._open
        if not len(held) or not len(rows):
            return
        order = grouped(held["syn"]["flow"])
        keys, flow = held["syn"]["flow"][order], known.key[known.of_row[rows]]
        place = np.minimum(np.searchsorted(keys, flow), len(keys) - 1)
        mine = keys[place] == flow
        self._count(batch, rows[mine], order[place[mine]])

    def _add(
        self, batch: PacketBatch, rows: Places, flow: NDArray[np.uint64], capture: int
    ) -> None:
        begins = np.flatnonzero(batch.flags[rows] & (SYN | ACK) == SYN)
        begins = begins[np.isin(batch.dport[rows[begins]], list(SHAPES))]
        if not len(begins):
            return
        made = np.zeros(len(begins), _session())
        made["syn"] = records(batch, rows[begins], flow[begins], capture)
        made["ended"] = NEVER
        every = np.concatenate((self._open, made))
        first = np.unique(every["syn"]["flow"], return_index=True)[1]
        every = every[np.sort(first)]
        self.evicted += max(0, len(every) - self.most)
        self._open = every[-self.most :]

    def _count(self, batch: PacketBatch, rows: Places, at: Places) -> None:
        held, time = self._open, batch.time[rows]
        closing = batch.flags[rows] & FIN_RST > 0
        np.minimum.at(held["ended"], at[closing], time[closing])
        counts = (time <= held["ended"][at]) & (batch.payload_length[rows] > 0)
        rows, at = rows[counts], at[counts]
        size = batch.payload_length[rows].astype(np.int64)
        up = (batch.sport[rows] == held["syn"]["sport"][at]) & (
            batch.src_lo[rows] == held["syn"]["src_lo"][at]
        )
        np.add.at(held["up"], at[up], size[up])
        np.add.at(held["ups"], at[up], 1)
        at, size = at[~up], size[~up]
        np.add.at(held["down"], at, size)
        # The how-manieth answer of its session each row is.
        order = np.argsort(at, kind="stable")
        sorted_at = at[order]
        fresh = np.append([True], sorted_at[1:] != sorted_at[:-1])[: len(order)]
        begin = np.maximum.accumulate(np.where(fresh, np.arange(len(order)), 0))
        rank = np.arange(len(order)) - begin + held["downs"][sorted_at]
        late = rank >= EXCHANGE
        np.maximum.at(held["late"], sorted_at[late], size[order][late])
        np.add.at(held["downs"], at, 1)

    def failed(self, until_ns: int) -> list[tuple[int, Any]]:
        """When sessions ended (before this time) that look as if a login failed, and their SYNs."""
        held = self._open
        done = held["ended"] < until_ns
        found = []
        for port in np.unique(held["syn"]["dport"][done]).tolist():
            rows = np.flatnonzero(done & (held["syn"]["dport"] == port))
            rows = rows[_fits(held[rows], SHAPES[port])]
            found += list(zip(held["ended"][rows].tolist(), held["syn"][rows], strict=True))
        gone = done | (held["syn"]["time"] < until_ns - FORGOTTEN_NS)
        if gone.any():
            self._open = held[~gone]
        return found

    def save(self) -> bytes:
        """The state, as bytes."""
        return self._open.tobytes()

    def restore(self, state: bytes) -> None:
        """Take up a state that `save` gave."""
        self._open = np.frombuffer(state, _session()).copy()


def _fits(ended: NDArray[Any], shape: Shape) -> NDArray[np.bool_]:
    """Which of these sessions have this shape."""
    found: NDArray[np.bool_] = ended["ended"] - ended["syn"]["time"] <= shape.seconds * NS
    found &= ended["late"] <= shape.late
    for name, most in (("up", shape.up), ("down", shape.down)):
        found &= (ended[name] >= most.start) & (ended[name] < most.stop)
    found &= np.minimum(ended["ups"], ended["downs"]) >= shape.packets
    return found
