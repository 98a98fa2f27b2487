"""Broken captures and frames through readers, decoders and every network detector.

``python -m tests.golden.test_fuzz SECONDS [SEED]`` searches longer, lines and rules as well (see
`test_fuzz_lines`); an input that breaks something is kept in `found/`, where each is tried again by
every run of the tests.
"""

from __future__ import annotations

import functools
import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlids import registry
from mlids.batches import Detector, PacketBatch
from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.capture.links import KNOWN
from mlids.capture.recordings import Capture
from mlids.errors import MLIDSError
from mlids.testing import START_NS
from tests.golden.test_evasions import CASES

FOUND = Path(__file__).with_name("found")
SECONDS = 6.0
SLOW_S = 1.0  # no input may take longer
ODD = (0, 1, 2, 3, 4, 5, 6, 7, 8, 0x0F, 0x11, 0x2F, 0x3A, 0x44, 0x45, 0x60, 0x7F, 0x80, 0x84, 0xFF)


@functools.cache
def seeds() -> list[tuple[int, list[bytes]]]:
    """Frames to begin with, with their link type: evasions, and what is in real captures."""
    made = [(kind, frames) for kind, frames in CASES.values()]
    folder = os.environ.get("MLIDS_CORPORA", "")
    for path in sorted(Path(folder).glob("pcaps/**/*.pcap")) if folder else []:
        if path.stat().st_size < 20_000:
            made += [(batch_kind, frames) for batch_kind, frames in _frames(path)]
    return made


def _frames(path: Path) -> Iterator[tuple[int, list[bytes]]]:
    try:
        for batch in Capture(str(path)).batches(threading.Event()):
            ends = batch.start + batch.captured
            whole = [batch.data[a:b].tobytes() for a, b in zip(batch.start, ends, strict=True)]
            if whole:
                yield int(batch.link_type[0]), whole[:40]
    except MLIDSError:
        return


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, cut out, put in or doubled."""
    new = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 4, 12])):
        at = chance.randrange(len(new) + 1)
        kind = chance.random()
        if kind < 0.5 and at < len(new):
            new[at] = chance.choice(ODD) if chance.random() < 0.6 else chance.randrange(256)
        elif kind < 0.6 and at < len(new):
            new[at] ^= 1 << chance.randrange(8)
        elif kind < 0.75:
            del new[at : at + chance.choice([1, 2, 4, 20])]
        elif kind < 0.9:
            new[at:at] = chance.randbytes(chance.choice([1, 2, 8]))
        else:
            new[at:at] = new[max(0, at - 8) : at]
    return bytes(new)


def capture(chance: random.Random) -> bytes:
    """A whole recording: frames mutated, in either format, the file itself maybe broken too."""
    kind, frames = chance.choice(seeds())
    kind = chance.choice(sorted(KNOWN)) if chance.random() < 0.2 else kind
    at, made = START_NS, []
    for frame in frames * chance.choice([1, 1, 1, 3]):
        at += chance.choice([0, 1000, 10_000_000, 5_000_000_000])
        new = mutated(frame, chance) if chance.random() < 0.7 else frame
        made.append(
            Frame(at, new[: chance.randrange(len(new) + 1)] if chance.random() < 0.1 else new)
        )
    order = chance.choice("<>")
    write: Any = c.pcapng if chance.random() < 0.4 else c.pcap
    data: bytes = write(made, kind=kind, order=order)
    return mutated(data, chance) if chance.random() < 0.4 else data


def detectors() -> list[Detector[Any]]:
    found = registry.plugins("detectors").values()
    return [plugin() for plugin in found if plugin.kind is PacketBatch]  # type: ignore[attr-defined]


def attempt(data: bytes, folder: Path) -> None:
    """Read, decode and inspect; only an error that MLIDS itself tells is right."""
    path = folder / "fuzz.pcap"
    path.write_bytes(data)
    all_detectors = detectors()
    try:
        for batch in Capture(str(path)).batches(threading.Event()):
            for row in range(min(len(batch), 5)):
                batch.payload(row)
            for detector in all_detectors:
                for event in detector.inspect(batch):
                    assert event.encoded()
    except MLIDSError as error:
        assert error.code in ("E011", "E012"), error
    for detector in all_detectors:
        for event in detector.flush():
            assert event.encoded()


@pytest.mark.parametrize("path", sorted(FOUND.glob("*.pcap")), ids=lambda path: path.stem)
def test_what_once_broke_something(path: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    attempt(path.read_bytes(), tmp_path)
    assert time.monotonic() - began < SLOW_S


@pytest.mark.parametrize("seed", range(2))
def test_broken_captures_break_nothing(seed: int, tmp_path: Path) -> None:
    assert search(seed, SECONDS / 2, tmp_path) == []


def search(seed: int, seconds: float, folder: Path) -> list[str]:
    """Try inputs for so long; those that break something, and why."""
    chance, until, broken = random.Random(seed), time.monotonic() + seconds, []
    while time.monotonic() < until:
        data = capture(chance)
        began = time.monotonic()
        try:
            attempt(data, folder)
            took = time.monotonic() - began
            reason = f"took {took:.1f} s" if took > SLOW_S else ""
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
        if reason:
            broken.append(reason)
            if __name__ == "__main__":
                FOUND.mkdir(exist_ok=True)
                name = FOUND / f"{seed}-{len(broken)}.pcap"
                name.write_bytes(data)
                print(f"{name.name}: {reason}", flush=True)
    return broken


if __name__ == "__main__":
    import tempfile

    from tests.golden import test_fuzz_lines

    seconds, number = float(sys.argv[1]) / 2, int((sys.argv[2:] or ["0"])[0])
    with tempfile.TemporaryDirectory() as name:
        count = len(search(number, seconds, Path(name)))
    count += len(test_fuzz_lines.search_long(number, seconds))
    print(f"{count} found")
    sys.exit(count > 0)
