from __future__ import annotations

import socket
import time

import pytest

from mlids.capture.ring_frames import merged
from mlids.errors import MLIDSError


@pytest.mark.root
def test_loopback_through_scapy() -> None:
    pytest.importorskip("scapy")
    from mlids.capture.scapy_ring import ScapyCapture

    capture = ScapyCapture("lo", megabytes=1, snaplen=100)
    got, end = 0, time.monotonic() + 10
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
        while got < 3 and time.monotonic() < end:  # the sniffer begins when it likes
            mouth.sendto(b"x" * 300, ("127.0.0.1", 9))
            live = capture.take()
            if live is not None:
                batch, _ = merged([live], "lo", 1, 0)
                got += int((batch.dport == 9).sum())
                assert batch.captured.max() <= 100
    assert capture.read >= got >= 3
    capture.close()
    with pytest.raises(MLIDSError) as error:
        ScapyCapture("nosuch0", megabytes=1, snaplen=100)
    assert error.value.code == "E003"
