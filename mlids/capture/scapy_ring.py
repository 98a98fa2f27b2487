"""Live frames through scapy, for systems without AF_PACKET.

scapy is GPL-2.0-only; this module is the only one of live capture that imports it, and is itself
imported only where the kernel offers nothing better. It is slow, and losses are not counted.
"""

from __future__ import annotations

import queue
import time
from typing import Any

import numpy as np

from mlids.capture import links
from mlids.capture.headers import PAD
from mlids.capture.ring_frames import Live
from mlids.errors import MLIDSError

MOST = 100_000  # frames that wait to be taken


def automatic() -> list[str]:
    """The interface that scapy would choose."""
    from scapy.config import conf

    return [str(conf.iface)]


class ScapyCapture:
    """One interface, opened: the same few methods as `ring.Ring`."""

    def __init__(
        self, name: str, *, megabytes: int, snaplen: int, filter: str = "", promiscuous: bool = True
    ) -> None:
        try:
            from scapy.interfaces import get_if_list
            from scapy.sendrecv import AsyncSniffer
        except ImportError as error:
            raise MLIDSError("E005", "live capture here needs scapy: pip install scapy") from error
        if name not in get_if_list():
            there = ", ".join(get_if_list())
            raise MLIDSError("E003", f"{name} does not exist; there are {there}")
        self.name, self.index, self.kind = name, 1, links.ETHERNET
        self.read = self.dropped = self.seen = 0
        self._snaplen = snaplen
        self._frames: queue.Queue[tuple[int, bytes]] = queue.Queue(MOST)
        self._sniffer = AsyncSniffer(
            iface=name, filter=filter or None, store=False, promisc=promiscuous, prn=self._put
        )
        try:
            self._sniffer.start()
        except (OSError, PermissionError) as error:
            raise MLIDSError("E009", f"{name}: {error}") from error

    def _put(self, packet: Any) -> None:
        try:
            self._frames.put_nowait((int(float(packet.time) * 1e9), bytes(packet)))
        except queue.Full:
            self.dropped += 1

    def failure(self) -> int:
        """No errors are known here."""
        return 0

    def count_drops(self) -> None:
        """Only those that found no room here are known."""

    def take(self) -> Live | None:
        """The frames that are ready, None where none are; waits a quarter of a second at most."""
        end = time.monotonic() + 0.25
        while self._frames.empty() and time.monotonic() < end:
            time.sleep(0.02)
        taken = [self._frames.get_nowait() for _ in range(self._frames.qsize())]
        if not taken:
            return None
        self.read += len(taken)
        frames = [frame[: self._snaplen] for _, frame in taken]
        captured = np.array([len(frame) for frame in frames], dtype=np.int64)
        return Live(
            np.frombuffer(b"".join(frames) + bytes(PAD), np.uint8),
            np.cumsum(captured) - captured,
            captured,
            np.array([len(frame) for _, frame in taken], dtype=np.int64),
            np.array([when for when, _ in taken], dtype=np.int64),
            self.kind,
            np.zeros(len(taken), np.uint16),
        )

    def deafen(self) -> None:
        """Let no further frame in."""
        if self._sniffer.running:
            self._sniffer.stop()

    def close(self) -> None:
        """End the sniffer."""
        self.deafen()
