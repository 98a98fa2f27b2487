"""Recorded packets: pcap and pcapng files, plain or compressed with gzip or zstd, or a pipe."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Annotated

import msgspec

from mlids.batches import InputStatus, Monitor, PacketBatch
from mlids.capture.recordings import Capture
from mlids.errors import MLIDSError


class PcapSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """What is read."""

    path: Annotated[str, msgspec.Meta(min_length=1, description="file; - is standard input")]


class Pcap(Monitor):
    """Reads one capture to its end.

    A damaged one gives what stands before the damage, then tells E011 once.
    """

    Settings = PcapSettings
    kind = PacketBatch
    enabled_by_default = False

    settings: PcapSettings

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self._capture: Capture | None = None
        self._state = ("waiting", "")

    def open(self) -> None:
        """Open the file. Raises `MLIDSError` E004 or E007."""
        if self._capture is None:
            try:
                self._capture = Capture(self.settings.path)
            except MLIDSError as error:
                self._state = ("failed", error.message)
                raise
            self._state = ("ok", "")

    def batches(self, stop: threading.Event) -> Iterator[PacketBatch]:
        """Yield the packets in windows. Raises `MLIDSError` E012 where it is no capture."""
        self.open()
        assert self._capture is not None
        try:
            yield from self._capture.batches(stop)
        except MLIDSError as error:
            self._state = ("failed", error.message)
            raise
        if self._capture.damage:
            self._state = ("failed", self._capture.damage)
            self.tell(MLIDSError("E011", f"{self.settings.path} {self._capture.damage}"))

    def close(self) -> None:
        """Close the file."""
        if self._capture is not None:
            self._capture.close()

    def inputs(self) -> list[InputStatus]:
        """The capture: frames read and rejected, fragments given up, bytes read of its size."""
        state, note = self._state
        counts = dict.fromkeys(("read", "rejected", "given_up", "bytes", "size"), 0)
        if (capture := self._capture) is not None:
            counts = {
                "read": capture.read,
                "rejected": capture.rejected,
                "given_up": capture.given_up,
                "bytes": capture.position,
                "size": capture.size,
            }
        return [InputStatus(self.settings.path, "capture", state, note, counts)]
