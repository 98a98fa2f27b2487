"""What stands before a detector: batches of packets, lines or file changes, and who makes them.

A *monitor* yields batches, a *log format* gives lines their columns, a *detector* turns batches
into events. A packet or a line never becomes a Python object on its own; only what hits does.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, get_args, get_origin

import msgspec

from mlids.errors import MLIDSError
from mlids.events import Event, Plugin

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Times = NDArray[np.int64]
    Words = NDArray[np.uint64]
    Rows = NDArray[np.intp]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class PacketBatch:
    """Packets as numpy columns, all of one length, sorted by time.

    An address is two uint64: ``src_hi, src_lo`` (the 128 bits of IPv6; IPv4 is stored mapped, as
    ``::ffff:a.b.c.d``, so both kinds are one and `packets.address` gives its usual text). Frames
    without IP or ARP have zeros there. An ARP row holds sender and target address, and its
    operation in `icmp_type`.
    """

    data: NDArray[np.uint8]  # the bytes that the offsets point into
    now: int  # ns since 1970: no earlier packet will come; moves on even where the batch is empty
    source: str  # capture file, or the interfaces
    time: Times  # ns since 1970
    frame: Times  # number of the frame in its capture, from 1
    start: Times  # offset of the frame in data
    captured: NDArray[np.uint32]  # bytes of the frame that are there
    length: NDArray[np.uint32]  # bytes it had on the wire
    link_type: NDArray[np.uint32]  # of its capture: 1 Ethernet, 105 802.11 …; see `capture.links`
    ethertype: NDArray[np.uint16]  # after VLAN tags; 0x0800, 0x86DD, 0x0806 …
    vlan: NDArray[np.uint16]  # outermost VLAN id, 0 without a tag
    tunnel: NDArray[np.uint8]  # how it was wrapped, 0: not; see `capture.decoding.Tunnel`
    network: NDArray[np.uint16]  # bytes of the frame before the network header, tunnels included
    src_hi: Words
    src_lo: Words
    dst_hi: Words
    dst_lo: Words
    protocol: NDArray[np.uint8]  # IP protocol after extension headers: 6 TCP, 17 UDP, 1/58 ICMP
    ttl: NDArray[np.uint8]
    fragment: NDArray[
        np.uint16
    ]  # IP fragment offset in bytes; 1 is set where more fragments follow
    sport: NDArray[np.uint16]
    dport: NDArray[np.uint16]
    flags: NDArray[np.uint8]  # TCP flags, CWR ECE URG ACK PSH RST SYN FIN from high to low bit
    icmp_type: NDArray[np.uint8]  # also of IGMP; of ARP its operation; of SCTP the first chunk's
    icmp_code: NDArray[np.uint8]
    transport: NDArray[np.uint16]  # bytes of the frame before the transport header, 0 without one
    payload_start: Times  # offset in data of what follows the transport header
    payload_length: NDArray[np.uint32]  # bytes the headers say it has, captured or not
    fault: NDArray[np.uint8]  # 0 decoded; else `packets.Fault`: why it could not be decoded
    sampled: float = 1.0  # share of the flows that the monitor let through
    memo: dict[str, Any] = field(default_factory=dict)  # what detectors computed and may share

    def __len__(self) -> int:
        return len(self.time)

    def payload(self, row: int) -> bytes:
        """The captured part of one packet's payload."""
        begin = int(self.payload_start[row])
        end = min(begin + int(self.payload_length[row]), int(self.start[row] + self.captured[row]))
        return self.data[begin:end].tobytes()

    def take(self, rows: Rows) -> PacketBatch:
        """The batch of these rows, in this order; `rows` are positions or a mask."""
        columns = {name: getattr(self, name)[rows] for name in self.columns()}
        return replace(self, **columns, memo={})

    def evidence(self, row: int) -> dict[str, Any]:
        """Where to look up one packet: capture and frame number."""
        return {"source": self.source, "frame": int(self.frame[row])}

    @classmethod
    def columns(cls) -> list[str]:
        """Names of the per-packet columns."""
        apart = ("data", "now", "source", "sampled", "memo")
        return [f.name for f in fields(cls) if f.name not in apart]


@dataclass(frozen=True, eq=False)
class LineBatch:
    """Whole lines of one source: one chunk of bytes and where each line begins and ends.

    `take` narrows it to candidate lines without copying bytes; `column` parses lazily, so a column
    of a narrowed batch costs only as much as it has lines.
    """

    data: bytes
    starts: Times  # offset of each line in data
    ends: Times  # offset behind its last byte, without the line end
    numbers: Times  # number of each line in its file, from 1
    source: str  # path, or a name such as "journal"
    base: int = 0  # offset of data[0] in the source
    now: int = 0  # ns since 1970 where nothing earlier can come (heartbeats); 0: unknown
    written: int = 0  # ns since 1970 by which the lines were written: years are inferred from it
    format: LogFormat | None = None
    stamps: Times | None = None  # ns since 1970 of each line, by its source: where it tells no time
    memo: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.starts)

    def line(self, row: int) -> bytes:
        """One line, without its end."""
        return self.data[int(self.starts[row]) : int(self.ends[row])]

    def take(self, rows: Rows) -> LineBatch:
        """The batch of these rows, in this order; `rows` are positions or a mask."""
        return replace(
            self,
            starts=self.starts[rows],
            ends=self.ends[rows],
            numbers=self.numbers[rows],
            stamps=None if self.stamps is None else self.stamps[rows],
            memo={},
        )

    def column(self, name: str) -> Any:
        """A standard column: `time` (int64 ns, 0 where unknown), else a list of bytes or None.

        Names: time, host, program, pid, message, src, user, outcome, method, target (path and
        query, as sent), status, size, referrer, agent, cookies, body, vhost. Raises KeyError where
        the format does not know it.
        """
        if "columns" not in self.memo:
            if self.format is None:
                raise KeyError(f"{self.source}: no log format, so no column {name!r}")
            self.memo["columns"] = self.format.parse(self)
        column = self.memo["columns"][name]
        if name == "time" and self.stamps is not None:
            return column + self.stamps * (column == 0)
        return column

    def span(self) -> tuple[bytes, int]:
        """The bytes from the first line to the last, and where in `data` they begin.

        Lines must lie in the order of their bytes, as monitors give them.
        """
        if not len(self):
            return b"", 0
        begin, end = int(self.starts[0]), int(self.ends[-1])
        if 8 * (end - begin) > 7 * len(self.data):  # a copy would cost more than it spares
            return self.data, 0
        return self.data[begin:end], begin

    def records(self) -> Sequence[Mapping[str, Any]]:
        """Each line under the names its own format gives the fields; empty where it is no such."""
        if "records" not in self.memo:
            self.memo["records"] = (
                self.format.records(self) if self.format else [{} for _ in range(len(self))]
            )
        known: Sequence[Mapping[str, Any]] = self.memo["records"]
        return known

    def evidence(self, row: int) -> dict[str, Any]:
        """Where to look up one line: source, line number from 1, byte offset from 0."""
        offset = self.base + int(self.starts[row])
        return {"source": self.source, "line": int(self.numbers[row]), "offset": offset}


class FileState(msgspec.Struct, frozen=True, omit_defaults=False):
    """What a file was like: size in bytes, mode, owner, time of change, sha256 (hex, "" unread)."""

    size: int
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    inode: int
    sha256: str = ""


class FileChange(msgspec.Struct, frozen=True):
    """One change: `what` is created, modified, deleted or moved; None: it did not exist."""

    path: str
    what: str
    time_ns: int
    before: FileState | None = None
    after: FileState | None = None
    moved_from: str = ""


@dataclass(frozen=True, eq=False)
class ChangeBatch:
    """File changes, in the order they happened; may be empty, as a heartbeat."""

    changes: Sequence[FileChange]
    now: int
    source: str = ""

    def __len__(self) -> int:
        return len(self.changes)


Batch = PacketBatch | LineBatch | ChangeBatch
B = TypeVar("B", PacketBatch, LineBatch, ChangeBatch)


class InputStatus(msgspec.Struct):
    """One input of a monitor, as the operator sees it.

    state: ok, waiting (not there yet) or failed; note: why, in one line; counts: read, dropped,
    matched, unmatched, rejected … since the start.
    """

    name: str
    kind: str
    state: str = "ok"
    note: str = ""
    counts: dict[str, int] = msgspec.field(default_factory=dict)


class Monitor(Plugin):
    """Turns an input into batches. It never retries: the lane does."""

    kind: ClassVar[type[Batch]]  # what it yields

    def open(self) -> None:
        """Open the inputs, while MLIDS still has its rights. Raises `MLIDSError`."""

    def batches(self, stop: threading.Event) -> Iterator[Batch]:
        """Yield batches until the input ends or `stop` is set; empty ones each idle second."""
        raise NotImplementedError  # abstract

    def close(self) -> None:
        """Let go of the inputs and keep checkpoints."""

    def inputs(self) -> list[InputStatus]:
        """What is watched, and how it fares; called from other threads."""
        return []

    def exclude(self, endpoints: Sequence[tuple[str, int]]) -> None:
        """Leave out MLIDS's own traffic with these (address, port); called every second."""

    def reached(self) -> Any:
        """The place behind all batches yielded so far, for `delivered`; None: none is kept.

        Called between two batches by the thread that takes them, where that is not the thread in
        which `delivered` is called (see `mlids.lines.confluence`).
        """
        return None

    def delivered(self, reached: Any = None) -> None:
        """Called when every event of the batches yielded up to a place is durably stored.

        reached: the place, None: behind the batches yielded so far.
        """

    tell: Callable[[MLIDSError], None] = staticmethod(lambda error: _log.warning("%s", error))
    """How a monitor says that one of its inputs failed while the others go on."""


class LogFormat(Plugin):
    """Knows one kind of log line.

    client_leads: lines begin with the client's address, behind a virtual host at most, and a
    request in quotes is followed by the status, so that both are found without parsing.
    last_resort: any text can be of it, so that every other format that knows some lines is better.
    """

    client_leads: bool = False
    last_resort: bool = False

    def sniff(self, chunk: bytes) -> float:
        """How likely the chunk is of this format: 0 (not) to 1 (certainly)."""
        raise NotImplementedError  # abstract

    def recognised(self, batch: LineBatch) -> NDArray[np.bool_]:
        """For each line whether it has the shape of this format (cheap: no parsing)."""
        raise NotImplementedError  # abstract

    def parse(self, batch: LineBatch) -> dict[str, Any]:
        """The columns of these lines, by their standard names (see `LineBatch.column`)."""
        raise NotImplementedError  # abstract

    @cached_property
    def column_names(self) -> frozenset[str]:
        """The names of the columns that lines of this format can have."""
        import numpy as np

        none = np.empty(0, dtype=np.int64)
        return frozenset(self.parse(LineBatch(b"", none, none, none, "", format=self)))

    def records(self, batch: LineBatch) -> Sequence[Mapping[str, Any]]:
        """For each line its fields as the makers of the format name them (for Sigma and the like).

        Without names of their own these are the standard columns that the line has, as text.
        """
        columns = self.parse(batch)
        texts = {name: values for name, values in columns.items() if name != "time"}
        return [
            {
                name: values[row].decode("utf-8", "backslashreplace")
                for name, values in texts.items()
                if values[row] is not None
            }
            for row in range(len(batch))
        ]


class Detector(Plugin, Generic[B]):
    """Turns batches into events.

    The law: what it says does not depend on how its input was cut into batches, and it never reads
    the clock. Its state is bounded; what it evicts is counted in `counts`.
    """

    kind: ClassVar[type[Batch]]  # what it inspects; taken from Detector[...] where not set

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for base in getattr(cls, "__orig_bases__", ()):
            if "kind" not in vars(cls) and get_origin(base) is Detector:
                (cls.kind,) = get_args(base)

    def inspect(self, batch: B) -> Iterable[Event]:
        """The events that this batch completes."""
        raise NotImplementedError  # abstract

    def flush(self) -> Iterable[Event]:
        """The input pauses or ends: tell what is still held back (suppressed counts)."""
        return ()

    def save(self) -> dict[str, Any]:
        """The state, as plain data that msgpack can carry, so that windows survive a restart."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""

    def counts(self) -> dict[str, int]:
        """Losses to be told: evicted, skipped."""
        return {}
