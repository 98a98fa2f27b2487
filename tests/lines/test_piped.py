from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mlids.errors import MLIDSError
from mlids.lines import piped
from mlids.lines.piped import Piped


class Standard:
    def __init__(self, descriptor):
        self.descriptor = descriptor

    def fileno(self):
        return self.descriptor


@pytest.fixture
def pipe(monkeypatch):
    reader, writer = os.pipe()
    monkeypatch.setattr(piped.sys, "stdin", Standard(reader))
    made = Piped(100)
    made.open()
    yield made, writer
    made.close()
    os.close(reader)


def texts(cut):
    return [cut.data[a:b] for a, b in zip(cut.starts, cut.ends, strict=True)] if cut else None


def test_lines_as_they_come_without_waiting(pipe):
    made, writer = pipe
    assert made.read(1000) is None
    os.write(writer, b"one\ntw")
    assert texts(made.read(1000)) == [b"one"]
    os.write(writer, b"o\nrest")
    assert texts(made.read(1000)) == [b"two"]
    os.close(writer)
    assert texts(made.read(1000)) == [b"rest"]
    assert made.ended
    assert made.rest() is None


def test_the_last_line_is_not_lost_where_it_comes_with_the_end(pipe):
    made, writer = pipe
    os.write(writer, b"one\nrest")
    os.close(writer)
    assert texts(made.read(1000)) == [b"one"]
    assert made.ended
    assert texts(made.rest()) == [b"rest"]


def test_long_lines_are_cut_out(pipe):
    made, writer = pipe
    os.write(writer, b"x" * 5000 + b"\none\n")
    cut = made.read(10_000)
    assert (texts(cut), cut.rejected) == ([b"one"], 1)
    os.close(writer)


def test_a_terminal_or_nothing_is_told(monkeypatch):
    reader, writer = os.openpty()
    monkeypatch.setattr(piped.sys, "stdin", Standard(writer))
    with pytest.raises(MLIDSError, match="terminal"):
        Piped(100).open()
    os.close(reader)
    os.close(writer)
    monkeypatch.setattr(piped.sys, "stdin", None)
    with pytest.raises(MLIDSError, match="E007"):
        Piped(100).open()


PROGRAM = """
import threading
from mlids.monitors.logs import Logs
monitor = Logs(paths=["-"], poll_s=0.05)
monitor.open()
for batch in monitor.batches(threading.Event()):
    for row in range(len(batch)):
        print(batch.source, batch.line(row).decode(), int(batch.numbers[row]), flush=True)
print(monitor.inputs()[0].counts, monitor.inputs()[0].note)
"""


def test_it_is_followed_live_until_its_end():
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdin.write(b"one\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"- one 1\n"  # while it goes on
        process.stdin.write(b"two\nthree")
        process.stdin.close()
        rest = process.stdout.read().decode().splitlines()
    assert rest[:2] == ["- two 2", "- three 3"]
    assert "'read': 3" in rest[2]
    assert rest[2].endswith("ended")
