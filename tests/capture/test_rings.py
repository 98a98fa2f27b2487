"""The life of an interface, told by a kernel that is played; `monitors/test_network` has a real one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mlids.capture import interfaces, ring, rings
from mlids.errors import MLIDSError

SETTINGS = SimpleNamespace(ring_mb=1, snaplen=100, filter="", promiscuous=False, sampling_rate=0.5)


class Played:
    """Stands for a `Ring`."""

    def __init__(self, name: str, **options: Any) -> None:
        self.name, self.options = name, options
        self.index = interfaces.index(name)
        self.read = self.dropped = self.seen = 0
        self.closed = self.deaf = False

    def count_drops(self) -> None:
        self.dropped += 1

    def failure(self) -> int:
        return 0

    def fileno(self) -> int:
        return 77

    def deafen(self) -> None:
        self.deaf = True

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """An interface that the test moves."""
    made = SimpleNamespace(index=3, flags=interfaces.UP)
    monkeypatch.setattr(rings, "HAS_PACKET_SOCKETS", True)
    monkeypatch.setattr(ring, "Ring", Played)
    monkeypatch.setattr(interfaces, "index", lambda name: made.index)
    monkeypatch.setattr(interfaces, "flags", lambda name: made.flags)
    return made


def test_goes_down_disappears_and_comes_back(world: SimpleNamespace) -> None:
    told: list[MLIDSError] = []
    watched = rings.Watched("va", SETTINGS)
    assert (watched.status().state, watched.fileno(), watched.drained()) == ("waiting", -1, True)
    watched.open()
    first: Any = watched._capture
    expected = {"megabytes": 1, "snaplen": 100, "filter": "", "promiscuous": False}
    assert first.options == expected | {"sampling_rate": 0.5}
    first.read = 40
    world.flags = 0
    for _ in range(3):
        watched.look_after(told.append)
    assert [str(error) for error in told] == [str(MLIDSError("E101", "va is down"))]
    assert watched.status().state == "waiting"
    world.index = 0
    watched.look_after(told.append)
    assert first.closed
    assert (watched.status().state, watched.status().note) == ("failed", "va has disappeared")
    world.index, world.flags = 9, interfaces.UP
    watched.look_after(told.append)
    assert watched.status().state == "ok"
    assert watched.fileno() == 77
    assert watched.status().counts["read"] == 40  # counts go on
    assert len(told) == 1


def test_drained_when_all_that_was_seen_is_read(world: SimpleNamespace) -> None:
    watched = rings.Watched("va", SETTINGS)
    watched.open()
    capture: Any = watched._capture
    capture.seen, capture.read = 5, 4
    assert not watched.drained()
    capture.read = 5
    assert watched.drained()
    watched.deafen()
    watched.close()
    assert capture.deaf and capture.closed
    assert watched.take() is None


def test_what_cannot_be_opened_again_says_why(
    world: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str, **options: Any) -> None:
        raise MLIDSError("E009", "no right")

    monkeypatch.setattr(ring, "Ring", refuse)
    watched = rings.Watched("va", SETTINGS)
    watched.look_after(lambda error: None)
    assert (watched.status().state, watched.status().note) == ("failed", "va no right")
