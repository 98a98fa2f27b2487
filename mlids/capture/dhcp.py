"""DHCP messages as columns: who is given which address, and what it calls itself.

Formats: RFC 2131 and RFC 2132; options that are carried in the fields for names (overload) are left
out, since no server puts the ones of interest there.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from mlids.capture.headers import gather, number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch

    Places = NDArray[np.int64]

SERVER, CLIENT = 67, 68
MAGIC = 0x63825363
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5
ROUTER, NAMESERVER, HOST_NAME, REQUESTED, KIND = 3, 6, 12, 50, 53
WANTED = (ROUTER, NAMESERVER, HOST_NAME, REQUESTED, KIND)
OPTIONS = 240  # bytes before them
MOST_OPTIONS = 64
MOST_ADDRESSES = 8


class Messages(NamedTuple):
    """DHCP messages of a batch, one row each."""

    row: NDArray[np.int64]
    kind: NDArray[np.uint8]  # option 53: 1 discover, 2 offer, 3 request, 5 ack; 0: plain BOOTP
    reply: NDArray[np.bool_]
    mac: NDArray[np.uint64]  # of the client, 0 where it is not Ethernet
    given: NDArray[np.uint32]  # the address that the server gives
    places: dict[int, Places]  # by option: where its value begins in batch.data, 0: not there
    sizes: dict[int, Places]  # by option: bytes of the value

    def value(self, batch: PacketBatch, index: int, option: int) -> bytes:
        """The value of an option of one message, empty where it has none."""
        begin, size = int(self.places[option][index]), int(self.sizes[option][index])
        return batch.data[begin : begin + size].tobytes() if begin else b""

    def addresses(self, batch: PacketBatch, index: int, option: int) -> list[int]:
        """The IPv4 addresses that an option lists, as numbers."""
        value = self.value(batch, index, option)
        whole = range(0, min(len(value) // 4, MOST_ADDRESSES) * 4, 4)
        return [int.from_bytes(value[n : n + 4], "big") for n in whole]


def messages(batch: PacketBatch) -> Messages:
    """The DHCP messages of a batch; worked out once."""
    if "dhcp" not in batch.memo:
        batch.memo["dhcp"] = _messages(batch)
    return cast(Messages, batch.memo["dhcp"])


@cache
def _header() -> np.dtype[Any]:
    names = ["op", "hardware", "size", "given", "mac", "magic"]
    formats, offsets = ["u1", "u1", "u1", ">u4", ">u8", ">u4"], [0, 1, 2, 16, 28, 236]
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": 240})


def _messages(batch: PacketBatch) -> Messages:
    # Either port is 67 in every message, between relays both are.
    rows = np.flatnonzero((batch.dport == SERVER) | (batch.sport == SERVER))
    rows = rows[(batch.protocol[rows] == 17) & (batch.transport[rows] > 0)]
    if not len(rows):
        return _nothing()
    at = batch.payload_start[rows]
    end = np.minimum(at + batch.payload_length[rows], batch.start[rows] + batch.captured[rows])
    whole = end - at >= OPTIONS
    rows, at, end = rows[whole], at[whole], end[whole]
    head = gather(batch.data, at, _header())
    fine = (head["magic"] == MAGIC) & ((head["op"] == 1) | (head["op"] == 2))
    rows, at, end, head = rows[fine], at[fine], end[fine], head[fine]
    places, sizes = _options(batch.data, at + OPTIONS, end)
    there = (places[KIND] > 0) & (sizes[KIND] == 1)
    kind = np.where(there, number(batch.data, np.where(there, places[KIND], 0), "u1"), 0)
    ethernet = (head["hardware"] == 1) & (head["size"] == 6)
    mac = np.where(ethernet, head["mac"].astype(np.uint64) >> np.uint64(16), np.uint64(0))
    return Messages(
        rows,
        kind.astype(np.uint8),
        head["op"] == 2,
        mac,
        head["given"].astype(np.uint32),
        places,
        sizes,
    )


@cache
def _nothing() -> Messages:
    rows, words = np.zeros(0, np.int64), np.zeros(0, np.uint64)
    empty = dict.fromkeys(WANTED, rows)
    return Messages(
        rows, rows.astype(np.uint8), rows > 0, words, words.astype(np.uint32), empty, empty
    )


def _options(
    data: NDArray[np.uint8], at: Places, end: Places
) -> tuple[dict[int, Places], dict[int, Places]]:
    """Where the options of interest stand: one option of every message at a time."""
    places = {option: np.zeros(len(at), np.int64) for option in WANTED}
    sizes = {option: np.zeros(len(at), np.int64) for option in WANTED}
    left = np.arange(len(at))
    at = at.copy()
    for _ in range(MOST_OPTIONS):
        left = left[at[left] + 2 <= end[left]]
        if not len(left):
            break
        code = number(data, at[left], "u1")
        size = number(data, at[left] + 1, "u1").astype(np.int64)
        fits = at[left] + 2 + size <= end[left]
        for option in WANTED:
            here = left[(code == option) & fits]
            places[option][here] = at[here] + 2
            sizes[option][here] = size[(code == option) & fits]
        at[left] += np.where(code == 0, 1, size + 2)
        left = left[(code != 255) & (fits | (code == 0))]
    return places, sizes
