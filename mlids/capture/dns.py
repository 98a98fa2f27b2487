"""DNS questions as columns: who asks for which name, and which names do not exist.

Format: RFC 1035 § 4. The labels of all names are followed at once, one label of each name a step;
only questions are read, never the answers behind them.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlids.capture.headers import gather, number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch

    Places = NDArray[np.int64]
    Words = NDArray[np.uint64]

PORT = 53
TCP, UDP = 6, 17
HEADER = 12
COMMON_LABELS = 6  # so many are followed for all names at once
MOST_LABELS = 128
NXDOMAIN = 3
FOLD = 0x2020202020202020
# Second-level labels under which a country's registry gives names to everybody.
SECONDS = frozenset(
    (
        *("ac", "co", "com", "edu", "gen", "go", "gob", "gov", "gv", "id", "in", "ltd", "me"),
        *("mil", "ne", "net", "nhs", "nic", "nom", "or", "org", "plc", "sch", "web"),
    )
)


class Questions(NamedTuple):
    """Questions of a batch, one row each; names that are no name are left out."""

    row: Places  # row of the batch
    query: NDArray[np.bool_]  # a question; False: an answer that there is no such name
    kind: NDArray[np.uint16]  # 1 A, 5 CNAME, 10 NULL, 16 TXT, 28 AAAA …
    at: Places  # where the name begins in batch.data
    domain_at: Places  # where its registered domain begins
    end: Places  # where its last label ends
    labels: NDArray[np.int64]  # labels before the registered domain

    def taken(self, rows: NDArray[np.intp]) -> Questions:
        """Some of the questions."""
        columns: list[Any] = [column[rows] for column in self]
        return Questions(*columns)

    def name(self, batch: PacketBatch, index: int) -> str:
        """The name as safe text, in small letters."""
        return name_text(batch.data[int(self.at[index]) : int(self.end[index])].tobytes())

    def domain(self, batch: PacketBatch, index: int) -> str:
        """Its registered domain, likewise."""
        return name_text(batch.data[int(self.domain_at[index]) : int(self.end[index])].tobytes())


@cache
def _header() -> np.dtype[Any]:
    return np.dtype([("id", ">u2"), ("flags", ">u2"), ("questions", ">u2")])


def questions(batch: PacketBatch, label: int = 0) -> Questions:
    """Queries over UDP and TCP, and answers "no such name" over UDP.

    label: only names with a label of so many letters before the last two. A query over TCP is
    read where it begins a segment, as it does unless somebody cuts it.
    """
    rows = np.flatnonzero(batch.dport == PORT)
    answers = np.flatnonzero(batch.sport == PORT)
    codes = batch.data.take(batch.payload_start[answers] + 3, mode="clip")
    answers = answers[(codes & 0x0F == NXDOMAIN) & (batch.dport[answers] != PORT)]
    if len(answers):
        rows = np.sort(np.concatenate((rows, answers)))
    tcp = batch.protocol[rows] == TCP  # a length of two bytes comes first
    at, size = batch.payload_start[rows], batch.payload_length[rows]
    if tcp.any():
        at, size = at + 2 * tcp, size - np.minimum(2 * tcp, size)
    fine = size >= HEADER + label + 6
    if not fine.all():
        rows, at, size = rows[fine], at[fine], size[fine]
    found = _names(batch, rows, at + HEADER, size, label)
    head = gather(batch.data, found.at - HEADER, _header())
    flags, query = head["flags"], found.query
    query[:] = flags < 0x8000
    fine = (head["questions"] == 1) & (flags & 0x7800 == 0)
    fine &= query | ((flags & 0x0F == NXDOMAIN) & (batch.protocol[found.row] == UDP))
    return found.taken(np.flatnonzero(fine))


def _names(
    batch: PacketBatch, rows: Places, at: Places, size: NDArray[Any], label: int
) -> Questions:
    """The names that begin there in messages of these rows; whether they ask is not yet known."""
    data = batch.data
    walk = [at]
    moved, wanted = [], np.full(len(at), label == 0)
    for _ in range(COMMON_LABELS):
        steps = _steps()[data.take(walk[-1], mode="clip")]
        moved.append(steps > 0)
        if not moved[-1].any():
            break
        walk.append(walk[-1] + steps)
        if label and len(walk) > 3:
            wanted |= moved[-1] & (walk[-3] - walk[-4] > label)
    if len(moved) == COMMON_LABELS:
        wanted |= moved[-1]  # names that go on are rare, and followed by themselves
    chosen = np.flatnonzero(wanted & (walk[-1] + 5 <= at + (size - HEADER)))
    captured = batch.start[rows[chosen]] + batch.captured[rows[chosen]]
    end = np.minimum(at[chosen] + size[chosen] - HEADER, captured)
    place = np.arange(len(chosen))
    starts = np.array([each[chosen] for each in walk])
    labels = np.array([each[chosen] for each in moved], np.int64).sum(axis=0)
    stop = starts[-1]
    last = [starts[np.maximum(labels - back, 0), place] for back in (1, 2, 3)]
    if len(moved) == COMMON_LABELS:
        _further(data, np.flatnonzero(moved[-1][chosen]), end, stop, labels, last)
    fine = np.flatnonzero((labels > 1) & (stop + 5 <= end) & (data.take(stop, mode="clip") == 0))
    chosen, stop, labels = chosen[fine], stop[fine], labels[fine]
    three = (data[last[0][fine]] == 2) & (labels > 2)
    if three.any():
        three &= _everybody(data, last[1][fine])
    return Questions(
        rows[chosen],
        np.zeros(len(chosen), bool),
        number(data, stop + 1, ">u2").astype(np.uint16),
        at[chosen],
        np.where(three, last[2][fine], last[1][fine]),
        stop,
        labels - 2 - three,
    )


@cache
def _steps() -> Places:
    """How far the next label is, by what stands where one begins; 0: there is none."""
    steps = np.arange(256) + 1
    steps[0] = steps[64:] = 0
    return steps


def _further(
    data: NDArray[np.uint8],
    left: NDArray[np.intp],
    end: Places,
    stop: Places,
    labels: Places,
    last: list[Places],
) -> None:
    """Follow the rest of long names: brings `stop`, `labels` and `last` of these up to date."""
    for _ in range(MOST_LABELS):
        place = stop[left]
        step = _steps()[data.take(place, mode="clip")]
        goes = (step > 0) & (place < end[left])
        left, place, step = left[goes], place[goes], step[goes]
        if not len(left):
            return
        last[2][left], last[1][left], last[0][left] = last[1][left], last[0][left], place
        stop[left] = place + step
        labels[left] += 1


def _everybody(data: NDArray[np.uint8], at: Places) -> NDArray[np.bool_]:
    """Whether the label there is one under which everybody gets names."""
    word = number(data, at, ">u4")
    short = word >> 24 <= 3
    spare = np.where(short, 8 * (3 - np.minimum(word >> 24, 3)), 0).astype(np.uint32)
    return short & np.isin((word | 0x202020) >> spare << spare, _seconds())


@cache
def _seconds() -> NDArray[np.uint32]:
    made = [len(s) << 24 | int.from_bytes(s.encode().ljust(3, b"\0"), "big") for s in SECONDS]
    return np.array(made, np.uint32)


def name_key(data: NDArray[np.uint8], at: Places, end: Places, fold: int = FOLD) -> Words:
    """A well mixed number of the bytes between; letters count alike, large or small (`fold`)."""
    found = (end - at).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    left, place, rest = np.arange(len(at)), at, end - at
    while len(left):
        goes = rest > 0
        if not goes.all():
            left, place, rest = left[goes], place[goes], rest[goes]
        if not len(left):
            break
        word = number(data, place, "<u8").astype(np.uint64) | fold
        spare = (8 * np.maximum(8 - rest, 0)).astype(np.uint64)
        word = word << spare  # what stands behind the name goes out at the top
        mixed = (found[left] ^ word) * np.uint64(0xBF58476D1CE4E5B9)
        found[left] = mixed ^ mixed >> np.uint64(31)
        place, rest = place + 8, rest - 8
    return found | np.uint64(1)


def longest(data: NDArray[np.uint8], at: Places, end: Places) -> NDArray[np.uint8]:
    """Letters of the longest label between."""
    found = np.zeros(len(at), np.uint8)
    left, place = np.arange(len(at)), at
    while len(left):
        goes = place < end[left]
        left, place = left[goes], place[goes]
        size = data[place]
        found[left] = np.maximum(found[left], size)
        place = place + 1 + size
    return found


def name_text(wire: bytes) -> str:
    """A name of length bytes and labels as text: small letters, `?` for what is none of a host."""
    labels, place = [], 0
    while place < len(wire) and wire[place]:
        label = wire[place + 1 : place + 1 + wire[place]]
        labels.append("".join(_letter(byte) for byte in label))
        place += 1 + wire[place]
    return ".".join(labels)


def _letter(byte: int) -> str:
    letter = chr(byte)
    return letter.lower() if letter.isascii() and (letter.isalnum() or letter in "-_") else "?"


def wire(name: str) -> bytes:
    """A name as it stands in a question, without the root. Raises ValueError for what is none."""
    labels = [label.encode() for label in name.strip().strip(".").lower().split(".")]
    if not all(0 < len(label) < 64 for label in labels):
        raise ValueError(f"{name!r} is no domain name; one looks like example.com")
    return b"".join(bytes([len(label)]) + label for label in labels)


def registered(name: str) -> bool:
    """Whether a name is a registered domain by itself: two labels, three under a registry."""
    labels = name.strip().strip(".").lower().split(".")
    country = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in SECONDS
    return len(labels) == (3 if country else 2)
