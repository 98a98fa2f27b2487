from __future__ import annotations

import contextlib
import socket
import time

import pytest

from mlids.errors import MLIDSError
from mlids.lines import receiving
from mlids.lines.endpoints import Endpoint
from mlids.lines.receiving import Limits, Place, Receiver


class Rig:
    """A receiver on loopback, and what it received."""

    def __init__(self, *kinds, max_line=1000, most=50, idle_s=60.0, allowed=lambda peer: True):
        limits = Limits(max_line, most, idle_s, allowed)
        self.places = [Place(Endpoint(kind, "127.0.0.1", 0), limits) for kind in kinds]
        self.told: list[MLIDSError] = []
        self.receiver = Receiver(self.places, self.told.append)
        self.receiver.open()
        self.messages: list[bytes] = []
        self.rejected = 0

    def address(self, number=0):
        return self.places[number].socket.getsockname()

    def client(self, number=0) -> socket.socket:
        return socket.create_connection(self.address(number), timeout=5)

    def poll(self, until=lambda: False, seconds=0.3):
        deadline = time.monotonic() + (5 if seconds is None else seconds)
        while time.monotonic() < deadline and not until():
            for _, found in self.receiver.received(0.02):
                assert found.peer == "127.0.0.1"
                self.messages += found.messages
                self.rejected += found.rejected
        return self.messages

    def wait(self, until):
        self.poll(until, None)
        assert until(), (self.messages, self.rejected)


@pytest.fixture
def rig():
    made = []

    def make(*kinds, **options):
        made.append(Rig(*kinds, **options))
        return made[-1]

    yield make
    for one in made:
        one.receiver.close()


def test_datagrams_are_one_line_each(rig):
    here = rig("udp", max_line=100)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for data in (b"<1>one\n<1>forged", b"", b"x" * 101, b"<1>two\n\0", b"\n", b"y" * 60_000):
            sender.sendto(data, here.address())
    here.wait(lambda: len(here.messages) == 2 and here.rejected == 2)
    assert here.messages == [b"<1>one <1>forged", b"<1>two"]


def test_both_framings_on_several_connections(rig):
    here = rig("tcp")
    with here.client() as one, here.client() as two:
        one.sendall(b"<1>a\n6 <1>bcd<1>e")
        two.sendall(b"<1>x\n")
        here.wait(lambda: len(here.messages) == 3)
        one.sendall(b"f\n")
        two.sendall(b"<1>end without one")
        two.close()
        here.wait(lambda: len(here.messages) == 5)
    assert set(here.messages) == {b"<1>a", b"<1>bcd", b"<1>ef", b"<1>x", b"<1>end without one"}
    here.wait(lambda: not here.places[0].connections)
    assert not here.places[0].peers


def test_a_great_many_lines(rig):
    here = rig("tcp")
    data = b"".join(b"<1>line %d\n" % n for n in range(20_000))
    with here.client() as one:
        one.setblocking(False)
        sent = 0
        while len(here.messages) < 20_000:
            if sent < len(data):
                with contextlib.suppress(BlockingIOError):
                    sent += one.send(data[sent:])
            here.poll(seconds=0.01)
    assert here.messages == data.splitlines()


def test_silent_and_slow_clients_are_let_go_and_hold_nobody_up(rig, monkeypatch):
    monkeypatch.setattr(receiving, "LOOK_S", 0.05)
    here = rig("tcp", idle_s=0.4)
    with here.client() as silent, here.client() as slow, here.client() as good:
        slow.sendall(b"<1>half a line")
        for number in range(12):
            good.sendall(b"<1>%d\n" % number)
            if number < 4:
                slow.sendall(b".")  # something comes, but never an end
            before = time.monotonic()
            here.wait(lambda number=number: b"<1>%d" % number in here.messages)
            assert time.monotonic() - before < 0.2
            here.poll(seconds=0.05)
        assert here.places[0].counts["silent"] == 2
        assert len(here.places[0].connections) == 1
        assert silent.recv(10) == b""
        assert b"<1>half a line...." in here.messages
        good.sendall(b"<1>still here\n")
        here.wait(lambda: b"<1>still here" in here.messages)


def test_connections_are_bounded_by_all_and_by_address(rig, monkeypatch):
    monkeypatch.setattr(receiving, "LEAST", 3)
    here = rig("tcp", most=8)
    clients = [here.client() for _ in range(6)]
    here.wait(lambda: here.places[0].counts["refused"] == 3)
    assert len(here.places[0].connections) == 3
    for client in clients:
        client.close()
    here.wait(lambda: not here.places[0].connections)
    with here.client() as again:
        again.sendall(b"<1>free again\n")
        here.wait(lambda: here.messages == [b"<1>free again"])


def test_who_may_not_send_is_refused(rig):
    here = rig("tcp", "udp", allowed=lambda peer: peer != "127.0.0.1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender, here.client() as client:
        sender.sendto(b"<1>one", here.address(1))
        here.wait(lambda: all(place.counts["refused"] == 1 for place in here.places))
        assert client.recv(10) == b""
    assert here.messages == []


def test_a_reset_connection_is_let_go(rig):
    here = rig("tcp")
    client = here.client()
    here.wait(lambda: len(here.places[0].connections) == 1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    here.wait(lambda: not here.places[0].connections)


def test_one_place_that_cannot_be_bound_does_not_stop_the_others(rig):
    first = rig("udp")
    limits = first.places[0].limits
    taken = Endpoint("udp", "127.0.0.1", first.address()[1])
    told = []
    places = [Place(taken, limits), Place(Endpoint("tcp", "127.0.0.1", 0), limits)]
    receiver = Receiver(places, told.append)
    receiver.open()
    assert [error.code for error in told] == ["E008"]
    assert (bool(places[0].error), places[1].error) == (True, "")
    receiver.close()
    with pytest.raises(MLIDSError, match="E008"):
        Receiver(places[:1], told.append).open()


def test_ten_thousand_garbage_bytes_never_raise(rig):
    here = rig("tcp", "udp", max_line=100)
    data = bytes(range(256)) * 40
    with here.client() as client, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        client.sendall(data)
        sender.sendto(data[:200], here.address(1))
        client.shutdown(socket.SHUT_WR)
        here.wait(lambda: not here.places[0].connections and here.messages)
    here.poll()
    assert all(not set(message) & {0, 10, 13} for message in here.messages)
