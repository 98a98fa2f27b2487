from __future__ import annotations

import pytest

from mlids.formats.kernel import Kernel
from mlids.testing import START_NS, lines

LINE = (
    "Jan 13 10:30:45 gw kernel: [ 12.345678] [UFW BLOCK] IN=eth0 OUT= MAC=aa SRC=203.0.113.7"
    " DST=192.0.2.1 LEN=44 TTL=43 ID=1 PROTO=TCP SPT=5222 DPT=80 WINDOW=1024 RES=0x00 SYN URGP=0"
)
DMESG = LINE.partition("kernel: ")[2]


def test_columns():
    batch = lines(LINE, DMESG, "Jan 13 10:30:45 gw sshd[7]: x", format=Kernel(timezone="UTC"))
    assert batch.column("src") == [b"203.0.113.7", b"203.0.113.7", None]
    assert batch.column("time").tolist() == [START_NS, 0, START_NS]
    assert batch.column("program") == [b"kernel", None, b"sshd"]
    assert batch.column("host")[0] == b"gw"
    record = batch.records()[0]
    assert (record["prefix"], record["IN"], record["SRC"], record["DPT"], record["FLAGS"]) == (
        "[UFW BLOCK]", "eth0", "203.0.113.7", "80", "SYN",
    )  # fmt: skip
    assert batch.records()[2] == {}


def test_sniff_and_recognised():
    batch = lines(LINE, DMESG, "Jan 13 10:30:45 gw kernel: usb 1-1: new device", "text")
    assert Kernel().sniff(batch.data) == pytest.approx(0.98 / 2)
    assert Kernel().recognised(batch).tolist() == [True, True, False, False]


def test_garbage_is_unknown():
    rubbish = [b"", b"\xff", b" SRC=", b"[1.1] IN= OUT= SRC=x DST=y", b" SRC=" * 999]
    batch = lines(*rubbish, format=Kernel())
    assert not any(batch.column("src"))
