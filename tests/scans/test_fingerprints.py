from __future__ import annotations

import numpy as np
import pytest

from mlids.capture import crafting as c
from mlids.scans.fingerprints import NAMES, probes
from mlids.scans.flags import classed
from mlids.testing import packets

OUT, HOST = "203.0.113.9", "192.168.1.10"
T2_T6 = bytes.fromhex("03030a0102040109080affffffff000000000402")
T7 = bytes.fromhex("03030f0102040109080affffffff000000000402")


def tcp(
    flags: str, window: int, options: bytes = T2_T6, urgent: int = 0, reserved: int = 0
) -> bytes:
    segment = bytearray(c.tcp(50000, 22, flags, options=options))
    segment[12] |= reserved
    segment[14:16], segment[18:20] = window.to_bytes(2, "big"), urgent.to_bytes(2, "big")
    return c.ethernet(c.ip(OUT, HOST, 6, bytes(segment)))


def icmp(code: int, size: int, tos: int = 0, six: bool = False) -> bytes:
    message = c.icmp(128 if six else 8, code, bytes(size))
    if six:
        return c.ethernet(c.ipv6("2001:db8::1", "2001:db8::2", 58, message))
    return c.ethernet(c.ipv4(OUT, HOST, 1, message, tos=tos))


def udp(payload: bytes) -> bytes:
    return c.ethernet(c.ip(OUT, HOST, 17, c.udp(50000, 40000, payload)))


def kinds(*frames: bytes) -> list[str]:
    batch = packets(frames)
    bare = np.flatnonzero(batch.flags == c.flag_bits("A"))
    questions = np.flatnonzero((batch.protocol == 1) | (batch.protocol == 58))
    found = probes(batch, classed(batch), bare, questions, 0)
    return sorted(NAMES[socket] for made in found for socket in made["socket"].tolist())


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (tcp("", 128), "T2"),
        (tcp("FSPU", 256), "T3"),
        (tcp("A", 1024), "T4"),
        (tcp("S", 31337), "T5"),
        (tcp("A", 32768), "T6"),
        (tcp("FPU", 65535, T7), "T7"),
        (tcp("SEC", 3, urgent=0xF7F5), "ECN"),
        (tcp("SEC", 3, reserved=8), "ECN"),
        (icmp(9, 120), "IE1"),
        (icmp(9, 120, six=True), "IE1"),
        (icmp(0, 150, tos=4), "IE2"),
        (udp(b"C" * 300), "U1"),
    ],
)
def test_each_probe_is_known(frame: bytes, kind: str) -> None:
    assert kinds(frame) == [kind]


@pytest.mark.parametrize(
    "frame",
    [
        tcp("S", 64240),
        tcp("A", 1025),
        tcp("A", 1024, bytes(20)),
        tcp("A", 1024, bytes.fromhex("0101080affffffff00000000")),
        tcp("S", 31337, bytes(4)),
        tcp("SEC", 64240),  # congestion notification as everyone asks for it
        tcp("SEC", 64240, reserved=1),  # and its newer form
        tcp("FA", 1024),
        icmp(0, 120),
        icmp(0, 150),
        icmp(0, 56, tos=4),
        udp(b"C" * 299),
        udp(b"C" * 299 + b"D"),
        udp(bytes(300)),
    ],
)
def test_what_resembles_a_probe_is_none(frame: bytes) -> None:
    assert kinds(frame) == []


def test_several_at_once() -> None:
    frames = [tcp("", 128), tcp("S", 31337), icmp(9, 120), udp(b"C" * 300), tcp("S", 100)]
    assert kinds(*frames) == ["IE1", "T2", "T5", "U1"]


def test_frames_that_are_cut() -> None:
    whole = [tcp("", 128), tcp("FPU", 65535, T7), icmp(0, 150, tos=4), udp(b"C" * 300)]
    for frame in whole:
        for size in range(0, len(frame), 7):
            kinds(frame[:size])
