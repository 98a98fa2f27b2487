"""What people see of `download` and `sync` on a terminal, and what they do not see elsewhere."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from mlids.cli.cloudwatch import fetching
from tests.cloudwatch.server import Record

GROUP = "/ecs/app"
DAY = 1_736_726_400_000  # 2025-01-13
INDEX = Path(__file__).parents[3] / "index.py"
COLUMNS = 100


class Terminal:
    """A command on a terminal of its own. seen: all that came; screen(): what it shows then."""

    def __init__(self, *arguments, at, cwd):
        self.end, end = pty.openpty()
        fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        where = ("--endpoint-url", at, "--requests-per-second", "0", "--log-group", GROUP)
        self.process = subprocess.Popen(
            [sys.executable, str(INDEX), "cloudwatch", *arguments, *where],
            stdin=end,
            stdout=end,
            stderr=end,
            cwd=cwd,
            env=os.environ | {"TERM": "xterm-256color"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(end)
        self._bytes = b""

    @property
    def seen(self):
        return self._bytes.decode(errors="replace")

    def read(self):
        """Whether there was something more."""
        try:
            self._bytes += os.read(self.end, 1 << 16)
        except OSError:  # the last who had it has gone
            return False
        return True

    def until(self, pattern):
        while not re.search(pattern, self.plain):
            assert self.read(), self.seen

    def ended(self):
        """The exit status, once all is read."""
        while self.read():
            pass
        os.close(self.end)
        return self.process.wait(20)

    @property
    def plain(self):
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.seen)

    def screen(self):
        """The lines, after what was written over or erased."""
        lines, row = [""], 0
        for move, text in re.findall(r"(\r\n|\r|\x1b\[1A|\x1b\[2K|\x1b\[[0-9;?]*[a-zA-Z])|([^\r\x1b]+)", self.seen):  # fmt: skip
            row += {"\r\n": 1, "\x1b[1A": -1}.get(move, 0)
            lines += [""] * (row + 1 - len(lines))
            lines[row] = "" if move == "\x1b[2K" else lines[row] + text
        return [line for line in lines if line]


@pytest.fixture
def terminal(tmp_path):
    """`terminal("download", "a", at=server.url)`."""
    begun = []

    def begin(*arguments, at):
        begun.append(Terminal(*arguments, at=at, cwd=tmp_path))
        return begun[-1]

    yield begin
    for one in begun:
        if one.process.poll() is None:
            os.killpg(one.process.pid, 9)
            one.process.wait()


def records(count):
    return [Record(DAY + n, f"line {n}") for n in range(count)]


@pytest.mark.parametrize("command", [("download", "a", "b"), ("sync",)], ids=lambda one: one[0])
def test_a_bar_that_is_gone_at_the_end(terminal, server, command):
    held = {GROUP: {"a": records(2000), "b": records(2000)}}
    shown = terminal(*command, at=server(held, page_events=100, latency_ms=60).url)
    assert shown.ended() == 0, shown.seen
    assert re.search(r"━ +\d+% +[\d,]+ events, [\d,]+/s \d:\d\d:\d\d", shown.plain), shown.plain
    assert shown.seen.count("\x1b[?25l") == shown.seen.count("\x1b[?25h") == 1  # the cursor is back
    *words, last = shown.screen()
    assert not any("━" in line for line in [*words, last])
    if command == ("sync",):
        assert words == []
        assert re.fullmatch(r"4,000 new events in 2 files below .*; 2 of 2 streams asked", last)
    else:
        assert [re.sub(".*/", "", line) for line in words] == [
            *("a.log: 2,000 events", "b.log: 2,000 events")
        ]
        assert re.fullmatch(r"4,000 events in \d+\.\d s \([\d,]+/s\)", last)


@pytest.mark.parametrize("command", [("download", "a"), ("download", "a", "b"), ("sync",)], ids=str)
def test_ctrl_c_ends_it_soon_and_says_what_becomes_of_it(terminal, server, tmp_path, command):
    held = {GROUP: {"a": records(500), "b": records(500)}}
    running = server(held, page_events=100, stall_every=5, stall_s=30)
    shown = terminal(*command, at=running.url)
    deadline = time.monotonic() + 20
    while len(running.calls) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    shown.until("events, ")
    began = time.monotonic()
    os.write(shown.end, b"\x03")
    assert shown.ended() == 130
    assert time.monotonic() - began < 3
    assert "━" not in "".join(shown.screen())
    assert (
        "interrupted; the next run over the same period goes on where it stopped" in shown.screen()
    )
    assert shown.seen.count("\x1b[?25l") == shown.seen.count("\x1b[?25h") == 1
    assert "Traceback" not in shown.seen
    running.faults.stall_every = 0
    again = terminal(*command, at=running.url)
    assert again.ended() == 0
    assert not list(tmp_path.rglob("*.part*"))


def test_words_that_nobody_needs_are_for_terminals(monkeypatch, capsys):
    fetching.note("all is well")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    fetching.note("all is well")
    assert capsys.readouterr() == ("", "all is well\n")


def test_what_is_missing_is_always_said(capsys):
    fetching.missing("a\x1b[31m", DAY, DAY + 1000, "AWS repeats\na token")
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "a\\x1b[31m: 2025-01-13 00:00:00 to 2025-01-13 00:00:01 is missing: AWS repeats\\x0aa token\n"
    )
