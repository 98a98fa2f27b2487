from __future__ import annotations

import select
import socket
import struct

import pytest

from mlids.capture.ring import Ring, _chain
from mlids.errors import MLIDSError

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_PACKET"), reason="needs packet sockets")


def test_chain_of_frames_in_a_block() -> None:
    block = bytearray(256)
    for at, step in ((48, 64), (112, 96), (208, 0)):
        struct.pack_into("I", block, at, step)
    assert _chain(block, 48, 3) == [48, 112, 208]
    assert _chain(block, 48, 0) == []


def test_no_such_interface_names_those_that_there_are() -> None:
    with pytest.raises(MLIDSError) as wrong:
        Ring("nosuch0", megabytes=1, snaplen=100)
    assert wrong.value.code == "E003"
    assert "lo" in wrong.value.message


def test_no_right_is_e009(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("mlids.capture.ring.socket.socket", refuse)
    monkeypatch.setattr("mlids.capture.interfaces.has_ethernet_headers", lambda name: True)
    with pytest.raises(MLIDSError) as wrong:
        Ring("lo", megabytes=1, snaplen=100)
    assert wrong.value.code == "E009"


@pytest.mark.root
def test_what_is_sent_is_taken_cut_and_counted() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        port = ear.getsockname()[1]
        ring = Ring("lo", megabytes=1, snaplen=60, filter=f"udp dst port {port}")
        assert ring.take() is None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
            for n in range(5):
                mouth.sendto(bytes(100 + n), ear.getsockname())
    lengths: list[int] = []
    while len(lengths) < 5 and select.select([ring], [], [], 5)[0]:
        got = ring.take()
        if got is not None:
            lengths += got.length.tolist()
            assert set(got.captured.tolist()) == {60}
            assert (got.time > 0).all()
    assert lengths == [42 + 100 + n for n in range(5)]
    ring.deafen()
    ring.count_drops()
    assert (ring.read, ring.seen, ring.dropped, ring.failure()) == (5, 5, 0, 0)
    ring.close()
