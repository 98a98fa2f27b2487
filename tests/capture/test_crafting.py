"""What is crafted is held against readers that are not ours: struct, ipaddress and tcpdump."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame

V4, V6 = ("192.0.2.1", "198.51.100.2"), ("2001:db8::1", "2001:db8::2")


def test_flags_by_letter() -> None:
    assert c.flag_bits("") == 0
    assert c.flag_bits("SA") == 0x12
    assert c.flag_bits("FSRPAUEC") == 0xFF


def test_checksum_is_that_of_the_rfc() -> None:
    assert c.checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF ^ 0xDDF2  # RFC 1071, section 3
    assert c.checksum(c.ipv4(*V4, 6, b"")[:20]) == 0  # a right header sums up to nothing
    assert c.checksum(b"\x01") == 0xFEFF


def test_vlan_tags_stand_before_the_type() -> None:
    frame = c.ethernet(b"\x45rest", tags=(100, 7))
    assert struct.unpack_from(">HHHHH", frame, 12) == (0x88A8, 100, 0x8100, 7, 0x0800)
    assert c.ethernet(b"\x60")[12:14] == b"\x86\xdd"
    assert c.ethernet(b"", 0x0806)[12:14] == b"\x08\x06"


def test_lengths_say_what_is_there_unless_they_are_to_lie() -> None:
    segment = c.tcp(1, 2, "S", options=b"\x02\x04\x05")
    assert len(segment) == 24
    assert segment[12] >> 4 == 6
    assert struct.unpack_from(">H", c.ipv4(*V4, 6, segment), 2)[0] == 44
    assert struct.unpack_from(">H", c.ipv4(*V4, 6, segment, total=9), 2)[0] == 9
    six = c.ipv6(*V6, 6, segment, extensions=[(0, bytes(7))])
    assert struct.unpack_from(">H", six, 4)[0] == len(six) - 40
    assert (six[6], six[40]) == (0, 6)
    assert c.udp(1, 2, b"abc")[4:6] == b"\x00\x0b"


def test_snap_cuts_frames_and_keeps_their_length() -> None:
    whole = c.pcap([Frame(1_000_000_001, bytes(100))], snap=60, nanos=True)
    assert struct.unpack_from("<IIII", whole, 24) == (1, 1, 60, 100)
    assert len(whole) == 24 + 16 + 60


def test_blocks_are_padded_and_say_their_length_twice() -> None:
    block = c.block(6, b"12345", ">")
    assert len(block) % 4 == 0
    assert struct.unpack_from(">II", block) == (6, 20)
    assert struct.unpack_from(">I", block, 16)[0] == 20


@pytest.mark.skipif(not shutil.which("tcpdump"), reason="needs tcpdump")
def test_tcpdump_reads_both_kinds_of_file(tmp_path: Path) -> None:
    frames = [
        Frame(1_736_764_245_000_000_000, c.ethernet(c.ip(*V4, 6, c.tcp(40000, 22, "S")))),
        Frame(1_736_764_246_000_000_000, c.ethernet(c.ip(*V6, 17, c.udp(53, 5353, b"x" * 20)))),
        Frame(1_736_764_247_000_000_000, c.ethernet(c.arp(1, *V4), 0x0806)),
    ]
    c.write_pcap(tmp_path / "a.pcap", frames)
    c.write_pcapng(tmp_path / "a.pcapng", frames)
    for name in ("a.pcap", "a.pcapng"):
        command = ["tcpdump", "-nn", "-tt", "-r", str(tmp_path / name)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        first, second, third = said.splitlines()
        assert "1736764245.000000 IP 192.0.2.1.40000 > 198.51.100.2.22: Flags [S]" in first
        assert "IP6 2001:db8::1.53 > 2001:db8::2.5353" in second
        assert "Request who-has 198.51.100.2 tell 192.0.2.1" in third
