import gzip
import os
import subprocess
import sys

import pytest
import zstandard

from mlids import registry
from mlids.batches import InputStatus, LineBatch, Monitor
from mlids.capture.crafting import Frame, ethernet, ipv4, tcp, write_pcap
from mlids.config import ConfigManager
from mlids.errors import MLIDSError
from mlids.lines.chunks import line_bounds
from mlids.scanning import Scan, recordings
from mlids.testing import START_NS

LINE = "2025-01-13T10:30:%02d+00:00 host sshd[%d]: Failed password for root from 192.0.2.7 port 22 ssh2\n"


@pytest.fixture
def settings(tmp_path):
    return ConfigManager(tmp_path / "none.yaml", environment={}).settings


def scanned(settings, *paths):
    told = []
    scan = Scan(settings, [str(path) for path in paths], told.append)
    events = list(scan)
    return events, scan.summary, told


def auth(count=5, first=0):
    return "".join(LINE % (n % 60, n) for n in range(first, first + count)).encode()


def capture(path):
    frames = [
        Frame(START_NS + n * 10**7 + k, ethernet(ipv4(a, b, 6, tcp(s, d, flags))))
        for n in range(30)
        for k, (a, b, s, d, flags) in enumerate(
            [
                ("203.0.113.9", "192.0.2.10", 4000, n + 1, "S"),
                ("192.0.2.10", "203.0.113.9", n + 1, 4000, "RA"),
            ]
        )
    ]
    write_pcap(path, frames)


def test_kinds_are_recognised_whatever_the_name(settings, tmp_path):
    (tmp_path / "a.txt").write_bytes(auth())
    capture(tmp_path / "b.txt")
    (tmp_path / "c").write_bytes(gzip.compress((tmp_path / "b.txt").read_bytes()))
    (tmp_path / "d").write_bytes(zstandard.compress(auth()))
    events, summary, told = scanned(settings, tmp_path)
    kinds = {os.path.basename(one.name): one.kind for one in summary.inputs}
    assert kinds["b.txt"] == kinds["c"] == "capture"
    assert kinds["a.txt"] == kinds["d"] == "log"
    assert {"Port Scan", "Failed Login"} <= {event.type for event in events}
    assert (summary.packets, summary.lines) == (120, 10)
    assert told == []


def test_the_summary_adds_up(settings, tmp_path):
    (tmp_path / "a.log").write_bytes(auth(7) + b"no such line\n")
    events, summary, _ = scanned(settings, tmp_path / "a.log")
    counts = summary.inputs[0].counts
    assert counts["read"] == counts["matched"] + counts["unmatched"] + counts["rejected"] == 8
    assert summary.events == len(events) == sum(summary.by_type.values())
    assert summary.findings == sum(event.severity != "LOW" for event in events)


def test_one_attack_over_two_files_is_seen(settings, tmp_path):
    lines = auth(6).splitlines(keepends=True)
    (tmp_path / "one.log").write_bytes(b"".join(lines[::2]))
    (tmp_path / "two.log").write_bytes(b"".join(lines[1::2]))
    events, _, _ = scanned(settings, tmp_path / "one.log", tmp_path / "two.log")
    assert "Brute Force" in {event.type for event in events}
    for name in ("one.log", "two.log"):
        events, _, _ = scanned(settings, tmp_path / name)
        assert "Brute Force" not in {event.type for event in events}


def test_folders_are_walked_in_order_without_repositories(tmp_path):
    for name in ("b", "a", ".git/c", "sub/d", "a.manifest", ".sync/checkpoint.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    found = [os.path.relpath(path, tmp_path) for path in recordings([str(tmp_path)])]
    assert found == ["a", "b", "sub/d"]
    with pytest.raises(MLIDSError) as caught:
        list(recordings([str(tmp_path / "none")]))
    assert caught.value.code == "E007"


def test_bad_recordings_are_told_and_the_others_read(settings, tmp_path):
    capture(tmp_path / "cut.pcap")
    whole = (tmp_path / "cut.pcap").read_bytes()
    (tmp_path / "cut.pcap").write_bytes(whole[:-30])
    (tmp_path / "random.log").write_bytes(os.urandom(50_000))
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "good.log").write_bytes(auth())
    events, summary, told = scanned(settings, tmp_path)
    assert [error.code for error in told] == ["E011"]
    assert {"Port Scan", "Failed Login"} <= {event.type for event in events}
    assert summary.packets == 59


STDIN = """
import sys
from mlids.config import ConfigManager
from mlids.lines.chunks import line_bounds
from mlids.scanning import Scan
scan = Scan(ConfigManager("/none", environment={}).settings, ["-"], print)
print(sorted({event.type for event in scan}), scan.summary.lines, scan.summary.packets)
"""


@pytest.mark.parametrize("piped", [True, False])
def test_standard_input_is_recognised_and_read_whole(tmp_path, piped):
    capture(tmp_path / "x")
    (tmp_path / "y").write_bytes(auth(2000))
    for name, expected in (
        ("x", "['Port Scan'] 0 60"),
        ("y", "['Brute Force', 'Failed Login'] 2000 0"),
    ):
        with (tmp_path / name).open("rb") as file:
            source = {"input": file.read()} if piped else {"stdin": file}
            done = subprocess.run(
                [sys.executable, "-c", STDIN], capture_output=True, check=True, **source
            )
        assert done.stdout.decode().strip() == expected


def test_what_is_no_regular_file_is_told_and_never_waited_for(settings, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    _, summary, told = scanned(settings, tmp_path / "pipe")
    assert [error.code for error in told] == ["E012"]
    assert summary.inputs == []
    assert list(recordings([str(tmp_path)])) == []


def test_globs_are_looked_up_and_nothing_is_read_twice(settings, tmp_path):
    for name in ("a.log", "b.log", "deep/c.log", "d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(auth(1))
    names = [f"{tmp_path}/*.log", f"{tmp_path}/**/*.log", str(tmp_path / "a.log")]
    found = [os.path.relpath(path, tmp_path) for path in recordings(names)]
    assert found == ["a.log", "b.log", "deep/c.log"]
    with pytest.raises(MLIDSError, match="E007"):
        list(recordings([f"{tmp_path}/*.none"]))
    (tmp_path / "x[1].log").write_bytes(auth(1))
    assert list(recordings([str(tmp_path / "x[1].log")])) == [str(tmp_path / "x[1].log")]


def test_more_recordings_than_may_be_open_at_once(tmp_path):
    for number in range(120):
        data = auth(1, number)
        packed = number % 2
        name = tmp_path / f"{number}.log{'.gz' * packed}"
        name.write_bytes(gzip.compress(data) if packed else data)
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))\n"
        "from mlids.config import ConfigManager; from mlids.scanning import Scan\n"
        "told = []; settings = ConfigManager('/none', environment={}).settings\n"
        "scan = Scan(settings, sys.argv[1:], told.append); list(scan)\n"
        "print(scan.summary.lines, told)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == "120 []"


def test_the_ledger_of_each_kind_of_file_adds_up(settings, tmp_path):
    data = auth(7) + b"no such line\n" + b"x" * 70_000 + b"\n"
    (tmp_path / "a.log").write_bytes(data)
    (tmp_path / "b.log.gz").write_bytes(gzip.compress(data))
    (tmp_path / "c.log.zst").write_bytes(zstandard.compress(data))
    (tmp_path / "d.json").write_bytes(b'{"a": 1}\n{"a": 2}\n')
    _, summary, told = scanned(settings, tmp_path)
    assert told == []
    for one in summary.inputs[:3]:
        counts = {name: one.counts[name] for name in ("read", "matched", "unmatched", "rejected")}
        assert counts == {"read": 9, "matched": 7, "unmatched": 1, "rejected": 1}, one
    assert summary.lines == 3 * 9 + 2


def test_further_inputs_are_merged_with_the_files(settings, tmp_path):
    class Lines(Monitor):
        kind = LineBatch

        def batches(self, stop):
            data = b"".join(auth(6).splitlines(keepends=True)[1::2])
            starts, ends = line_bounds(data)
            form = registry.plugin("formats", "auth")()
            yield LineBatch(data, starts, ends, starts + 1, "elsewhere", format=form)
            raise MLIDSError("E206", "no network")

        def inputs(self):
            return [InputStatus("elsewhere", "log", counts={"read": 3, "bytes": 99})]

    (tmp_path / "a.log").write_bytes(b"".join(auth(6).splitlines(keepends=True)[::2]))
    told = []
    scan = Scan(settings, [str(tmp_path / "a.log")], told.append, monitors=[Lines()])
    events = list(scan)
    brute = next(event for event in events if event.type == "Brute Force")
    assert {place["source"] for place in brute["evidence"]} == {
        "elsewhere",
        str(tmp_path / "a.log"),
    }
    assert scan.summary.lines == 6
    assert [error.code for error in told] == ["E206"]
    assert scan.summary.problems == ["E206: no network"]
    alone = Scan(settings, [], told.append, monitors=[Lines()])
    assert {event.type for event in alone} >= {"Failed Login"}
