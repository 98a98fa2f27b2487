from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlids.batches import PacketBatch
from mlids.capture import crafting as c
from mlids.capture.packets import address
from mlids.errors import MLIDSError
from mlids.monitors.network import Network

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_PACKET"), reason="needs packet sockets")

NEW_NET = 0x40000000
FRAME = c.ethernet(c.ip("192.0.2.1", "192.0.2.2", 17, c.udp(1000, 2000, b"x" * 400)))


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Space:
    """A network namespace with a pair of interfaces, va and vb; functions run inside it."""

    def __init__(self) -> None:
        self.name = f"mlids-{os.getpid()}"
        for _ in range(20):  # two at once, the very first time, are in each other's way
            added = subprocess.run(["ip", "netns", "add", self.name], capture_output=True)
            if added.returncode == 0:
                break
            time.sleep(0.1)
        assert added.returncode == 0, added.stderr
        inside = ["netns", "exec", self.name]
        off = "net.ipv6.conf.default.disable_ipv6=1"
        subprocess.run(["ip", *inside, "sysctl", "-qw", off], check=True)
        ip("-n", self.name, "link", "add", "va", "type", "veth", "peer", "name", "vb")
        for name in ("lo", "va", "vb"):
            self.ip("link", "set", name, "up")

    def ip(self, *words: str) -> None:
        ip("-n", self.name, *words)

    def run(self, what: Callable[[], Any]) -> Any:
        """Run in a thread of the namespace; sockets made there stay there."""
        result: list[Any] = []
        thread = threading.Thread(target=lambda: result.append(self._inside(what)))
        thread.start()
        thread.join(20)
        assert result, "did not end"
        if isinstance(result[0], BaseException):
            raise result[0]
        return result[0]

    def _inside(self, what: Callable[[], Any]) -> Any:
        try:
            with Path(f"/run/netns/{self.name}").open() as place:
                libc = ctypes.CDLL(None, use_errno=True)
                assert libc.setns(place.fileno(), NEW_NET) == 0
            return what()
        except BaseException as error:  # handed to the test's own thread
            return error


@pytest.fixture
def space() -> Iterator[Space]:
    made = Space()
    yield made
    ip("netns", "del", made.name)


def send(name: str, frames: list[bytes]) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind((name, 0))
        for frame in frames:
            out.send(frame)


def collect(
    monitor: Network, act: Callable[[], None], enough: Callable[[list[PacketBatch]], bool]
) -> list[PacketBatch]:
    """Batches from when `act` was done until they are enough (10 s at most), to the end."""
    stop, got = threading.Event(), []
    monitor.open()
    act()
    end = time.monotonic() + 10
    for batch in monitor.batches(stop):
        got.append(batch)
        if enough(got) or time.monotonic() > end:
            stop.set()
    return got


def total(got: list[PacketBatch]) -> int:
    return sum(map(len, got))


@pytest.mark.root
def test_packets_of_two_interfaces_and_their_counts(space: Space) -> None:
    def work() -> None:
        space_frames = [FRAME] * 50
        monitor = Network(interfaces=["va", "vb"], snaplen=64)
        got = collect(monitor, lambda: send("vb", space_frames), lambda got: total(got) >= 100)
        assert total(got) == 100  # going out of vb, coming in at va
        batch = next(batch for batch in got if len(batch))
        assert batch.source == "va,vb"
        assert int(batch.captured[0]) == 64
        assert int(batch.length[0]) == len(FRAME)
        assert address(int(batch.src_hi[0]), int(batch.src_lo[0])) == "192.0.2.1"
        assert [frame for b in got for frame in b.frame.tolist()] == list(range(1, 101))
        assert all((b.time[1:] >= b.time[:-1]).all() for b in got)
        assert [s.counts["read"] for s in monitor.inputs()] == [50, 50]
        monitor.close()

    space.run(work)


@pytest.mark.root
def test_read_and_dropped_are_all_that_were_sent(space: Space) -> None:
    def work() -> None:
        monitor = Network(interfaces=["va"], ring_mb=1, snaplen=2000)
        count = 8000  # far more than fits, since nobody reads while they are sent
        got = collect(monitor, lambda: send("vb", [FRAME] * count), lambda got: total(got) > 0)
        counts = monitor.inputs()[0].counts
        monitor.close()
        assert counts["dropped"] > 0
        assert counts["read"] == total(got)
        assert counts["read"] + counts["dropped"] == count
        assert monitor.inputs()[0].counts == counts

    space.run(work)


@pytest.mark.root
def test_filter_and_excluded_endpoints(space: Space) -> None:
    other = c.ethernet(c.ip("192.0.2.1", "192.0.2.2", 6, c.tcp(1, 443, "S")))

    def work() -> None:
        monitor = Network(interfaces=["va"], filter="udp port 2000")
        got = collect(monitor, lambda: send("vb", [FRAME, other, FRAME]), lambda g: total(g) >= 2)
        assert {p for b in got for p in b.protocol.tolist()} == {17}
        monitor.close()
        with pytest.raises(MLIDSError) as wrong:
            Network(interfaces=["va"], filter="udp prot 2000").open()
        assert wrong.value.code == "E002"
        monitor = Network(interfaces=["va"])
        monitor.exclude([("192.0.2.2", 2000)])
        got = collect(monitor, lambda: send("vb", [FRAME, other, FRAME]), lambda g: total(g) >= 1)
        assert total(got) == 1
        counts = monitor.inputs()[0].counts
        assert (counts["own"], counts["read"]) == (2, 3)
        monitor.close()

    space.run(work)


@pytest.mark.root
def test_loopback_shows_each_packet_once(space: Space) -> None:
    def talk() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
            ear.bind(("127.0.0.1", 0))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
                for _ in range(20):
                    mouth.sendto(b"hello", ear.getsockname())

    def work() -> None:
        monitor = Network(interfaces=["lo"])
        assert total(collect(monitor, talk, lambda got: total(got) >= 20)) == 20
        monitor.close()

    space.run(work)


@pytest.mark.root
def test_vlan_tags_that_the_kernel_took_off(space: Space) -> None:
    tagged = c.ethernet(c.ip("192.0.2.1", "192.0.2.2", 17, c.udp(1, 2, b"x" * 30)), tags=[42])

    def work() -> None:
        monitor = Network(interfaces=["va"])
        got = collect(monitor, lambda: send("vb", [tagged]), lambda got: total(got) >= 1)
        assert [v for b in got for v in b.vlan.tolist()] == [42]
        assert [p for b in got for p in b.dport.tolist()] == [2]
        monitor.close()

    space.run(work)


@pytest.mark.root
def test_interface_that_goes_away_is_told_once_and_taken_up_again(space: Space) -> None:
    def work() -> None:
        told: list[MLIDSError] = []
        monitor = Network(interfaces=["va", "lo"])
        monitor.tell = told.append
        stop, seen = threading.Event(), []
        monitor.open()
        steps = iter(
            [
                (lambda: space.ip("link", "set", "va", "down"), "waiting"),
                (lambda: space.ip("link", "set", "va", "up"), "ok"),
                (lambda: space.ip("link", "del", "va"), "failed"),
                (make_again, "ok"),
                (lambda: send("vb", [FRAME] * 3), "three"),
            ]
        )
        act, wanted = next(steps)
        act()
        end = time.monotonic() + 18
        for batch in monitor.batches(stop):
            seen += [p for p in batch.dport.tolist() if p == 2000]
            state = "three" if len(seen) == 3 else monitor.inputs()[0].state
            if state == wanted:
                step = next(steps, None)
                if step is None:
                    stop.set()
                else:
                    act, wanted = step
                    act()
            assert time.monotonic() < end, (wanted, monitor.inputs())
        monitor.close()
        assert [error.code for error in told] == ["E101", "E101"]
        assert len(seen) == 3

    def make_again() -> None:
        space.ip("link", "add", "va", "type", "veth", "peer", "name", "vb")
        space.ip("link", "set", "vb", "up")
        space.ip("link", "set", "va", "up")

    space.run(work)


@pytest.mark.root
def test_default_route_is_chosen(space: Space) -> None:
    def work() -> None:
        code = "from mlids.capture.interfaces import automatic; print(automatic())"
        inside = ["ip", "netns", "exec", space.name, sys.executable, "-c", code]

        def chosen() -> str:
            return subprocess.run(inside, check=True, capture_output=True, text=True).stdout.strip()

        assert chosen() == "['vb', 'va']" or chosen() == "['va', 'vb']"
        space.ip("addr", "add", "192.0.2.9/24", "dev", "vb")
        space.ip("route", "add", "default", "via", "192.0.2.1")
        assert chosen() == "['vb']"
        space.ip("link", "set", "vb", "down")
        space.ip("link", "set", "va", "down")
        assert chosen() == "['lo']"

    space.run(work)


@pytest.mark.root
def test_one_bad_interface_is_told_and_none_good_is_an_error() -> None:
    told: list[MLIDSError] = []
    monitor = Network(interfaces=["lo", "nosuch0"])
    monitor.tell = told.append
    monitor.open()
    monitor.close()
    assert [error.code for error in told] == ["E003"]
    assert "lo" in told[0].message
    with pytest.raises(MLIDSError) as wrong:
        Network(interfaces=["nosuch0"]).open()
    assert wrong.value.code == "E003"


@pytest.mark.root
def test_heartbeat_and_rest() -> None:
    monitor = Network(interfaces=["lo"], filter="host 192.0.2.77")
    used = time.thread_time()
    got = collect(monitor, lambda: None, lambda got: len(got) >= 2)
    used = time.thread_time() - used
    monitor.close()
    assert [len(batch) for batch in got] == [0, 0]
    assert got[0].now < got[1].now <= time.time_ns()
    assert used < 0.05  # 2 s at rest


def test_no_right_is_e009(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("mlids.capture.ring.socket.socket", refuse)
    monkeypatch.setattr("mlids.capture.interfaces.has_ethernet_headers", lambda name: True)
    with pytest.raises(MLIDSError) as wrong:
        Network(interfaces=["lo"]).open()
    assert wrong.value.code == "E009"


def test_no_such_address_to_exclude() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        Network(exclude_endpoints=[("nonsense", 1)])
