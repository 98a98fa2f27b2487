"""An interface that is watched over its whole life: it may go down, disappear and come back."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mlids.batches import InputStatus
from mlids.capture.ring_frames import Live
from mlids.errors import MLIDSError

if TYPE_CHECKING:
    from mlids.capture.ring import Ring
    from mlids.capture.scapy_ring import ScapyCapture

HAS_PACKET_SOCKETS = hasattr(socket, "AF_PACKET")


class Watched:
    """One interface and its capture; counts go on over reopenings.

    settings: ring_mb, snaplen, filter, promiscuous and sampling_rate are used.
    """

    polled = HAS_PACKET_SOCKETS

    def __init__(self, name: str, settings: Any) -> None:
        self.name = name
        self.own = self.rejected = 0
        self._settings = settings
        self._capture: Ring | ScapyCapture | None = None
        self._before = (0, 0)  # read and dropped by earlier captures
        self._state = ("waiting", "")

    def open(self) -> None:
        """Begin to capture. Raises `MLIDSError`."""
        s = self._settings
        options = {"megabytes": s.ring_mb, "snaplen": s.snaplen, "filter": s.filter}
        if HAS_PACKET_SOCKETS:
            from mlids.capture.ring import Ring

            options["sampling_rate"] = s.sampling_rate
            self._capture = Ring(self.name, promiscuous=s.promiscuous, **options)
        else:
            from mlids.capture.scapy_ring import ScapyCapture

            self._capture = ScapyCapture(self.name, promiscuous=s.promiscuous, **options)
        self._state = ("ok", "")

    def fileno(self) -> int:
        """For poll; -1 where there is nothing to wait for."""
        capture = self._capture
        return capture.fileno() if HAS_PACKET_SOCKETS and capture is not None else -1  # type: ignore[union-attr]

    def take(self) -> Live | None:
        """The frames that are ready."""
        return self._capture.take() if self._capture is not None else None

    def look_after(self, tell: Callable[[MLIDSError], None]) -> None:
        """Note that the interface failed (told once) or is back."""
        if self._capture is not None:
            self._capture.count_drops()
            self._capture.failure()  # what waits there would wake every poll
        if not HAS_PACKET_SOCKETS:
            return
        from mlids.capture import interfaces

        index = interfaces.index(self.name)
        if self._capture is not None and index != self._capture.index:
            self._give_up()
        if not index:
            self._fail(tell, "failed", "has disappeared")
        elif not interfaces.flags(self.name) & interfaces.UP:
            self._fail(tell, "waiting", "is down")
        elif self._capture is None:
            self._reopen(tell)
        else:
            self._state = ("ok", "")

    def _reopen(self, tell: Callable[[MLIDSError], None]) -> None:
        try:
            self.open()
        except MLIDSError as error:
            self._fail(tell, "failed", error.message)

    def _fail(self, tell: Callable[[MLIDSError], None], state: str, why: str) -> None:
        if self._state[0] == "ok":
            tell(MLIDSError("E101", f"{self.name} {why}"))
        self._state = (state, f"{self.name} {why}")

    def _give_up(self) -> None:
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.close()
            read, dropped = self._before
            self._before = (read + capture.read, dropped + capture.dropped)

    def deafen(self) -> None:
        """Let no further frame in."""
        if self._capture is not None:
            self._capture.deafen()

    def drained(self) -> bool:
        """Whether nothing is left in the ring: what was read and lost is all the kernel saw."""
        if self._capture is None:
            return True
        self._capture.count_drops()
        return self._capture.read >= self._capture.seen

    def close(self) -> None:
        """Let go of the interface."""
        self._give_up()

    def status(self) -> InputStatus:
        """How it fares."""
        state, note = self._state
        read, dropped = self._before
        if (capture := self._capture) is not None:
            read, dropped = read + capture.read, dropped + capture.dropped
        counts = {"read": read, "dropped": dropped, "own": self.own, "rejected": self.rejected}
        return InputStatus(self.name, "network", state, note, counts)
