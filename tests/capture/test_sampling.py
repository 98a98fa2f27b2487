"""The sampling filter, run in the kernel on packets of a socket pair's making, and as a plain twin."""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
import sys

import pytest

from mlids.capture import bpf, sampling
from mlids.capture import crafting as c

SNAPLEN = 256


def decide(program: bytes, frame: bytes, kind: int = 0x0800) -> int:
    """A plain machine for classic BPF, with the two extensions that are used."""
    code = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    net, a, x, memory, at = frame[14:], 0, 0, [0] * 16, 0

    def load(k: int, size: int) -> int:
        if k == sampling.PROTOCOL:
            return kind
        assert k >= sampling.NET
        start = k - sampling.NET
        return int.from_bytes(net[start : start + size], "big")

    sizes = {0x00: 4, 0x08: 2, 0x10: 1}
    while True:
        op, yes, no, k = code[at]
        at += 1
        group = op & 7
        if group == sampling.RET:
            return k
        if group == sampling.LD:
            mode = op & 0xE0
            if mode == sampling.MEM:
                a = memory[k]
            else:
                a = load(k + (x if mode == sampling.IND else 0), sizes[op & 0x18])
        elif group == sampling.LDX:
            x = memory[k] if op & 0xE0 == sampling.MEM else (load(k, 1) & 15) * 4
        elif group == sampling.ST:
            memory[k] = a
        elif group == sampling.MISC:
            x = a
        elif group == sampling.ALU:
            by = x if op & 8 else k
            what = op & 0xF0
            a = {0: a + by, 0x20: a * by, 0x70: a >> by, 0xA0: a ^ by}[what] & 0xFFFF_FFFF
        elif op & 0xF0 == sampling.JA:
            at += k
        else:
            test = {0x10: a == k, 0x30: a >= k, 0x40: bool(a & k)}[op & 0xF0]
            at += yes if test else no


def conversation(n: int, six: bool = False) -> tuple[bytes, bytes]:
    chance = random.Random(n)
    one = f"2001:db8::{n % 65536:x}" if six else f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"
    other = "2001:db8:1::1" if six else "192.0.2.1"
    port = chance.randrange(1024, 65535)
    make = random.Random(n + 1).choice(
        [lambda s, d: (6, c.tcp(s, d)), lambda s, d: (17, c.udp(s, d))]
    )
    there = c.ethernet(c.ip(one, other, *make(port, 443)))
    back = c.ethernet(c.ip(other, one, *make(443, port)))
    return there, back


@pytest.mark.parametrize("six", [False, True])
@pytest.mark.parametrize("share", [0.01, 0.25, 0.9])
def test_a_share_of_the_conversations_and_both_directions_of_each(share: float, six: bool) -> None:
    program = sampling.sampled(bpf.everything(SNAPLEN), share, SNAPLEN)
    kept, count = 0, 4000
    for n in range(count):
        kind = 0x86DD if six else 0x0800
        there, back = (decide(program, frame, kind) for frame in conversation(n, six))
        assert there == back
        assert there in (0, SNAPLEN)
        kept += there > 0
    assert abs(kept / count - share) < 0.04


def test_one_scanner_is_seen_in_a_share_of_its_ports() -> None:
    program = sampling.sampled(bpf.everything(SNAPLEN), 0.1, SNAPLEN)
    frames = [
        c.ethernet(c.ip("10.0.0.1", "10.0.0.2", 6, c.tcp(4000, p, "S"))) for p in range(1, 1001)
    ]
    assert 50 < sum(decide(program, frame) > 0 for frame in frames) < 150


def test_everything_else_comes_through_and_fragments_stay_together() -> None:
    program = sampling.sampled(bpf.everything(SNAPLEN), 0.001, SNAPLEN)
    assert decide(program, c.ethernet(c.arp(1, "10.0.0.1", "10.0.0.2"), 0x0806), 0x0806) == SNAPLEN
    half = sampling.sampled(bpf.everything(SNAPLEN), 0.5, SNAPLEN)
    for n in range(50):
        first = c.ethernet(c.ipv4(f"10.0.0.{n}", "192.0.2.1", 17, c.udp(n, 9, bytes(8)), more=True))
        rest = c.ethernet(c.ipv4(f"10.0.0.{n}", "192.0.2.1", 17, bytes(16), offset=16))
        assert decide(half, first) == decide(half, rest)


def test_all_is_no_sampling() -> None:
    assert sampling.sampled(bpf.everything(SNAPLEN), 1.0, SNAPLEN) == bpf.everything(SNAPLEN)


def test_what_a_filter_refuses_stays_refused() -> None:
    refuse = struct.pack("=HBBI", sampling.RET, 0, 0, 0)
    program = sampling.sampled(refuse + bpf.everything(SNAPLEN), 0.5, SNAPLEN)
    assert all(decide(program, conversation(n)[0]) == 0 for n in range(50))


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and iproute2")
def test_the_kernel_says_the_same() -> None:
    space = f"mlids-sample-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", space], check=True)
    try:
        inner = f"""
import socket, sys, time
sys.path[:0] = {sys.path!r}
from mlids.capture.ring import Ring
from tests.capture.test_sampling import conversation, decide, SNAPLEN
from mlids.capture import bpf, sampling
import subprocess
subprocess.run(["sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"])
subprocess.run("ip link add va type veth peer name vb && ip link set va up && ip link set vb up", shell=True, check=True)
ring = Ring("va", megabytes=4, snaplen=SNAPLEN, sampling_rate=0.3)
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("vb", 0))
program = sampling.sampled(bpf.everything(SNAPLEN), 0.3, SNAPLEN)
expected = 0
for n in range(500):
    for six in (False, True):
        for frame in conversation(n, six):
            expected += decide(program, frame, 0x86DD if six else 0x0800) > 0
            out.send(frame)
time.sleep(0.5)
got = 0
while (live := ring.take()) is not None:
    got += len(live.start)
print(got, expected)
"""
        run = ["ip", "netns", "exec", space, sys.executable, "-c", inner]
        said = subprocess.run(run, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stderr
        got, expected = map(int, said.stdout.split())
        assert got == expected
        assert 0 < got < 2000
    finally:
        subprocess.run(["ip", "netns", "del", space], check=True)
