"""What the TCP flags of packets say: which class each is of."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlids.scans.contacts import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch

    Rows = NDArray[Any]

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
CORE = 0x3F  # without ECE and CWR, which say nothing about the state of a connection
ODD = {
    FIN: Kind.FIN,
    FIN | PSH | URG: Kind.XMAS,
    FIN | SYN: Kind.SYNFIN,
    FIN | SYN | RST | PSH | ACK | URG: Kind.FULL_XMAS,
}
_ASK, _OPEN, _RESET, _FIN, _ODD = 1, 2, 3, 4, 5


class Classed(NamedTuple):
    """Rows by what they do; none of the rows that merely carry a conversation on."""

    asks: Rows  # SYN
    opens: Rows  # SYN and ACK
    resets: Rows
    fins: Rows  # FIN and ACK
    odd: Rows  # no system sends these: FIN alone, FIN PSH URG, FIN SYN, all
    nothing: Rows  # no flag at all


def classed(batch: PacketBatch) -> Classed:
    """The TCP rows that begin, refuse or end connections, or are odd."""
    rows = np.flatnonzero((batch.flags & (FIN | SYN | RST)) != 0)
    kinds = np.take(_classes(), batch.flags[rows])
    asks, opens, resets, fins, odd = (rows[kinds == kind] for kind in range(_ASK, _ODD + 1))
    bare = (batch.flags == 0) & (batch.protocol == 6)
    nothing = np.flatnonzero(bare & (batch.transport > 0))
    return Classed(asks, opens, resets, fins, odd, nothing)


@cache
def _classes() -> NDArray[np.uint8]:
    table = np.zeros(256, np.uint8)
    for flags in range(256):
        core = flags & CORE
        if core in ODD:
            table[flags] = _ODD
        elif core & RST:
            table[flags] = _RESET
        elif core & SYN:
            table[flags] = _OPEN if core & ACK else _ASK
        elif core & FIN and core & ACK:
            table[flags] = _FIN
    return table


def odd_kinds(flags: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """For the flags of odd packets which scan sends them."""
    return np.take(_odd_kinds(), flags)


@cache
def _odd_kinds() -> NDArray[np.uint8]:
    table = np.full(256, int(Kind.NULL), np.uint8)
    for flags in range(256):
        table[flags] = ODD.get(flags & CORE, Kind.NULL)
    return table
