from __future__ import annotations

import struct

import numpy as np
import pytest

from mlids.capture import crafting as c
from mlids.capture.macs import mac_number, mac_text, macs
from mlids.testing import packets

PACKET = c.ipv4("192.0.2.1", "192.0.2.2", 17, c.udp(1, 2, b"x"))
MAC = "aa:bb:cc:00:11:22"


def sender_and_receiver(frame: bytes, kind: int) -> tuple[str, str]:
    batch = packets([frame], kind)
    sender, receiver = macs(batch, np.arange(1))
    return mac_text(int(sender[0])), mac_text(int(receiver[0]))


def test_ethernet() -> None:
    frame = c.ethernet(PACKET, src=MAC, dst="ff:ff:ff:ff:ff:ff")
    assert sender_and_receiver(frame, 1) == (MAC, "ff:ff:ff:ff:ff:ff")


def test_cooked_captures_know_the_sender() -> None:
    raw = bytes.fromhex(MAC.replace(":", "")) + bytes(2)
    first = struct.pack(">HHH", 0, 1, 6) + raw + struct.pack(">H", 0x0800) + PACKET
    second = struct.pack(">HHIHBB", 0x0800, 0, 2, 1, 0, 6) + raw + PACKET
    assert sender_and_receiver(first, 113) == (MAC, mac_text(0))
    assert sender_and_receiver(second, 276) == (MAC, mac_text(0))
    tunnel = struct.pack(">HHH", 0, 778, 4) + raw + struct.pack(">H", 0x0800) + PACKET
    assert sender_and_receiver(tunnel, 113) == (mac_text(0), mac_text(0))


def test_links_without_and_frames_cut_short() -> None:
    assert sender_and_receiver(PACKET, 101) == (mac_text(0), mac_text(0))
    assert sender_and_receiver(c.ethernet(PACKET)[:13], 1) == (mac_text(0), mac_text(0))


@pytest.mark.parametrize("text", ["AA:BB:CC:00:11:22", "aa-bb-cc-00-11-22", "aabb.cc00.1122"])
def test_spellings(text: str) -> None:
    assert mac_text(mac_number(text)) == MAC


@pytest.mark.parametrize("text", ["", "aa:bb", "gg:bb:cc:00:11:22", "aa:bb:cc:00:11:22:33"])
def test_what_is_no_hardware_address(text: str) -> None:
    with pytest.raises(ValueError, match="aa:bb:cc"):
        mac_number(text)
