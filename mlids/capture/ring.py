"""Live frames of one interface through a ring of memory that the kernel fills (TPACKET_V3).

See packet_mmap in the kernel's documentation and linux/if_packet.h. The kernel writes frames into
blocks and hands a block over when it is full or 200 ms old; reading copies a block out and gives it
back at once, so a slow reader costs a copy and nothing else. What finds no room in the ring the
kernel counts: read + dropped is exactly what it saw.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import socket
import struct
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.capture import bpf, interfaces, links, sampling
from mlids.capture.headers import PAD, gather
from mlids.capture.ring_frames import Live
from mlids.errors import MLIDSError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# From linux/if_packet.h and linux/socket.h.
SOL_PACKET = 263
ADD_MEMBERSHIP, RX_RING, STATISTICS, VERSION, IGNORE_OUTGOING = 1, 5, 6, 10, 23
VERSION_3, PROMISCUOUS = 2, 1
SO_ATTACH_FILTER = 26
ALL_PROTOCOLS = 0x0003
USER = 1  # status of a block that is ours
VLAN_VALID = 0x10

BLOCK = 256 * 1024
RETIRE_MS = 200
AT_ONCE = 4 * 1024 * 1024  # bytes copied out at most in one read


class Ring:
    """One interface, opened.

    megabytes: size of the ring; snaplen: bytes kept of each frame; filter: see `bpf.compiled`;
    sampling_rate: share of the conversations that is let in.
    Raises `MLIDSError` E003 (no such interface), E009 (no right), E002 or E005 (filter).
    read, dropped: frames taken, and lost for want of room, since it was opened; seen: frames that
    the kernel wrote into the ring by the last `count_drops`.
    """

    def __init__(
        self,
        name: str,
        *,
        megabytes: int,
        snaplen: int,
        filter: str = "",
        promiscuous: bool = True,
        sampling_rate: float = 1.0,
    ) -> None:
        self.name = name
        self.read = self.dropped = self.seen = 0
        self.index = interfaces.index(name)
        if not self.index:
            there = ", ".join(interfaces.names())
            raise MLIDSError("E003", f"{name} does not exist; there are {there}")
        whole = interfaces.has_ethernet_headers(name)
        self.kind = links.ETHERNET if whole else links.RAW[0]
        program = bpf.compiled(filter, self.kind, snaplen)
        program = sampling.sampled(program, sampling_rate, snaplen)
        self._socket = _socket(socket.SOCK_RAW if whole else socket.SOCK_DGRAM)
        self._blocks = max(4, megabytes * 1024 * 1024 // BLOCK)
        self._next = 0
        try:
            self._set_up(program, promiscuous)
        except OSError as error:
            self._socket.close()
            raise MLIDSError("E003", f"{name}: {error.strerror or error}") from error

    def _set_up(self, program: bytes, promiscuous: bool) -> None:
        sock, size = self._socket, self._blocks * BLOCK
        _attach(sock, program)
        sock.setsockopt(SOL_PACKET, VERSION, VERSION_3)
        request = (BLOCK, self._blocks, 2048, size // 2048, RETIRE_MS, 0, 0)
        sock.setsockopt(SOL_PACKET, RX_RING, struct.pack("7I", *request))
        self._map = mmap.mmap(sock.fileno(), size, mmap.MAP_SHARED)
        if interfaces.flags(self.name) & interfaces.LOOPBACK:
            # There each packet passes twice, going out and coming in.
            sock.setsockopt(SOL_PACKET, IGNORE_OUTGOING, 1)
        elif promiscuous:
            with contextlib.suppress(OSError):  # tunnels know no such mode
                request_ = struct.pack("iHH8x", self.index, PROMISCUOUS, 0)
                sock.setsockopt(SOL_PACKET, ADD_MEMBERSHIP, request_)
        sock.bind((self.name, ALL_PROTOCOLS))
        self.failure()  # an interface that is down says so at once; that is looked at elsewhere

    def fileno(self) -> int:
        """For poll."""
        return self._socket.fileno()

    def failure(self) -> int:
        """The error number that waits at the socket, 0 for none."""
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def count_drops(self) -> None:
        """Take over what the kernel counted as lost."""
        with contextlib.suppress(OSError):
            raw = self._socket.getsockopt(SOL_PACKET, STATISTICS, 12)
            packets, drops, _ = struct.unpack("3I", raw)
            self.dropped += drops
            self.seen += packets - drops  # the kernel counts lost packets among them

    def take(self) -> Live | None:
        """The frames that are ready, None where none are. Never waits."""
        sizes: list[tuple[int, int, int, int]] = []
        total = at = 0
        while len(sizes) < self._blocks and total < AT_ONCE:
            base = (self._next + len(sizes)) % self._blocks * BLOCK
            status, count, first, used = struct.unpack_from("4I", self._map, base + 8)
            if not status & USER:
                break
            sizes.append((base, count, first, used))
            total += -(-used // 8) * 8
        if not sizes:
            return None
        buffer = bytearray(total + PAD)
        places: list[int] = []
        for base, count, first, used in sizes:
            buffer[at : at + used] = self._map[base : base + used]
            struct.pack_into("I", self._map, base + 8, 0)
            places += _chain(buffer, at + first, count)
            at += -(-used // 8) * 8
        self._next = (self._next + len(sizes)) % self._blocks
        self.read += len(places)
        return self._live(buffer, np.array(places, dtype=np.int64))

    def _live(self, buffer: bytearray, places: NDArray[np.int64]) -> Live:
        data = np.frombuffer(buffer, np.uint8)
        header = gather(data, places, _frame_header())
        time = header["second"].astype(np.int64) * 1_000_000_000 + header["nano"]
        tagged = header["status"] & VLAN_VALID > 0
        return Live(
            data,
            places + header["mac"],
            header["captured"].astype(np.int64),
            header["length"].astype(np.int64),
            time,
            self.kind,
            np.where(tagged, header["tci"] & 0x0FFF, 0).astype(np.uint16),
        )

    def deafen(self) -> None:
        """Let no further frame in; what is in the ring can still be taken."""
        with contextlib.suppress(OSError):
            self._socket.bind((self.name, 0))

    def close(self) -> None:
        """Let go of the ring."""
        self.count_drops()
        self._map.close()
        self._socket.close()


def _chain(buffer: bytearray, at: int, count: int) -> list[int]:
    """Places of the frames of one block: each says how far it is to the next."""
    words, place, places = memoryview(buffer)[: len(buffer) // 4 * 4].cast("I"), at, []
    for _ in range(count):
        places.append(place)
        place += words[place >> 2]
    return places


def _socket(kind: int) -> socket.socket:
    try:
        return socket.socket(socket.AF_PACKET, kind, 0)  # deaf until it is bound
    except PermissionError:
        raise MLIDSError("E009") from None


def _attach(sock: socket.socket, program: bytes) -> None:
    """Give the kernel a filter; it also decides how many bytes of a frame are kept."""
    code = ctypes.create_string_buffer(program, len(program))
    request = struct.pack("HL", len(program) // 8, ctypes.addressof(code))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, request)


@cache
def _frame_header() -> np.dtype[Any]:
    """What stands before each frame (struct tpacket3_hdr)."""
    names = ["second", "nano", "captured", "length", "status", "mac", "tci"]
    return np.dtype(
        {
            "names": names,
            "formats": ["u4", "u4", "u4", "u4", "u4", "u2", "u4"],
            "offsets": [4, 8, 12, 16, 20, 24, 32],
            "itemsize": 48,
        }
    )
