"""The event log and `analyze` are attacked: disks, files, clocks, crashes, races, forgers, texts."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime

import pytest

from mlids import privileges, segments, verification
from mlids.analyzer import REPORTS, Analyzer, Period
from mlids.archive import Archive
from mlids.events import format_time
from mlids.logger import EventLogger
from mlids.retention import Policy
from mlids.seals import FILE
from mlids.tail import Tail
from mlids.testing import event

pytestmark = pytest.mark.slow
root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, other users")
DAY = 86_400
NS = 10**9


def numbers(logs):
    """The numbers of the events that were logged, as a search finds them."""
    found = Archive(logs, complete=False).search()
    return [one.details["n"] for one in found if "n" in one.details]


def fill(logger, *range_, **keys):
    for n in range(*range_):
        logger.log(event(details={"n": n, "ip": "192.0.2.7", "x": "y" * 200}, **keys))


def holds(logs):
    """The log is what MLIDS wrote."""
    found = verification.verify(logs)
    assert (found.ok, found.bad) == (True, "")
    return found


@pytest.fixture
def logged(tmp_path):
    """A log of 300 events of the last minutes in several segments, and its folder."""
    logger = EventLogger(tmp_path / "logs", max_size=20_000)
    now = time.time_ns()
    for n in range(300):
        stamp = format_time(now - (300 - n) * NS)
        logger.log(event(details={"n": n, "ip": "192.0.2.7", "user": "u"}, timestamp=stamp))
    logger.close()
    assert len(segments.sealed(tmp_path / "logs")) > 3
    return tmp_path / "logs"


# -- a disk that is full


@pytest.fixture
def disk(tmp_path):
    """logs/ is a disk of 3 MB; `full` takes what is left of it."""
    logs = tmp_path / "logs"
    logs.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "mlids-test", str(logs)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs root: mounts")
    yield logs
    subprocess.run(["umount", "-l", str(logs)], check=True)


def fill_disk(logs):
    with (
        contextlib.suppress(OSError),
        (logs / "ballast").open("ab", buffering=0) as ballast,
    ):
        while True:
            ballast.write(b"x" * 512)


@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_a_full_disk_drops_what_finds_no_room_counts_it_and_goes_on(disk, compression):
    told = []
    logger = EventLogger(disk, max_size=100_000, compression=compression, tell=told.append)
    logger.store.pending_bytes = 200_000
    logger.store.sealer.every_s = 0.05
    logger.open()
    fill(logger, 1000)
    assert logger.flush(5)
    fill_disk(disk)
    (disk / "state").mkdir(exist_ok=True)
    for begin in range(1000, 4000, 100):
        fill(logger, begin, begin + 100)
        time.sleep(0.01)
    logger._sealed()  # nobody can build columns, and retention has nothing to say
    assert not logger.flush(0.2)
    assert logger.store.dropped > 1000
    assert {error.code for error in told} == {"E106"}
    (disk / "ballast").unlink()
    assert logger.flush(5)
    fill(logger, 4000, 4100)
    deadline = time.monotonic() + 5
    while not (gaps := list(Archive(disk).search('type:"Monitoring Gap"'))):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    logger.close()
    found = numbers(disk)
    assert found[:1000] == list(range(1000))
    assert found[-100:] == list(range(4000, 4100))
    assert found == sorted(set(found))
    (gap,) = gaps
    assert gap.details["metadata"]["amount"] == logger.store.dropped == 4100 - len(found)
    assert holds(disk).unsealed == 0
    assert len(told) <= 2  # the log and its seals, once each


def old_segments(logs, count):
    """Segments that retention is to remove."""
    for n in range(count):
        path = logs / f"mlids-2024010{n + 1}T000000Z-1.jsonl"
        path.write_bytes(event(details={"n": n}).encoded() + b"\n")
        os.utime(path, (n + 1, n + 1))


def test_a_full_disk_of_start_leaves_a_log_that_holds(watch, run, disk, tmp_path):
    program = watch().ready()
    fill_disk(disk)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    with (tmp_path / "auth.log").open("a") as log:
        for n in range(500):
            text = f"Failed password for u{n} from 192.0.2.9 port 5 ssh2"
            log.write(f"{stamp} web1 sshd[{n}]: {text}\n")
    program.until_told("E106")
    assert program.stop() == 0  # in 5 s
    (disk / "ballast").unlink()
    again = watch().ready()
    again.until_event("Failed Login", user="u499")
    assert again.stop() == 0
    users = {one.details["user"] for one in Archive(disk).search('type:"Failed Login"')}
    assert users == {f"u{n}" for n in range(500)}
    checked = run("verify")
    assert checked.end() == 0, checked.printed()


def test_a_start_on_a_full_disk_does_not_hang_on_retention(disk):
    logger = EventLogger(disk)
    logger.open()
    fill(logger, 10)
    logger.close()
    old_segments(disk, 5)
    fill_disk(disk)
    began = time.monotonic()
    logger = EventLogger(disk, retention=Policy(days=1), tell=lambda error: None)
    logger.open()
    assert time.monotonic() - began < 4
    logger.close()
    assert time.monotonic() - began < 9
    assert len(segments.sealed(disk)) == 5
    (disk / "ballast").unlink()
    logger.open()
    logger.close()
    assert segments.sealed(disk) == []


# -- files that are damaged, foreign or not to be read


ASKED = [
    (),
    ("--search", "type:*"),
    ("--group-by", "ip"),
    ("--report", "incidents"),
    ("--report", "compliance"),
    ("--report", "executive"),
    ("--search", "type:*", "--format", "json"),
]


def asked_all(run, allowed=(0,)):
    """Every way to ask gives an answer; returns what the last one, a search as JSON, found."""
    for options in ASKED:
        program = run("analyze", *options)
        fine = (0, 1) if "compliance" in options else allowed
        assert program.end() in fine, (options, program.told())
    return json.loads(program.printed()), program.told()


def test_what_is_damaged_is_left_out_and_said(run, logged):
    first, second, third, *_ = segments.sealed(logged)
    count = len(numbers(logged))
    packed = bytearray(first.read_bytes())
    packed[len(packed) // 2 :] = random.randbytes(len(packed) - len(packed) // 2)
    first.write_bytes(packed)
    second.write_bytes(second.read_bytes()[:-20])
    lines = list(segments.lines(third))
    lines[3:6] = [random.randbytes(100).hex().encode() + b"\n", b'{"foreign": 1}\n', b"[]\n"]
    third.unlink()
    third.with_suffix("").write_bytes(b"".join(lines))
    with (logged / "mlids.jsonl").open("ab") as file:
        file.write(b'{"timestamp":"2025-')
    found, told = asked_all(run)
    assert 0 < found["total"] < count - 3
    for word in (first.name, second.name, third.stem, "mlids.jsonl: its last line has no end"):
        assert word in told
    checked = run("verify")
    assert checked.end() == 1
    assert "FAILED" in checked.printed()


def test_what_is_foreign_in_the_folder_changes_nothing(run, logged):
    count = len(numbers(logged))
    (logged / "other.json").write_text('{"type": "Failed Login"}')
    (logged / "mlids-notes.jsonl").write_text("{}\n")
    (logged / "mlids-20200101T000000Z-1.jsonl").mkdir()
    (logged / "mlids-20200101T000000Z-2.jsonl.zst").symlink_to("nowhere")
    os.mkfifo(logged / "mlids-20200101T000000Z-3.jsonl")
    (logged / "columns").mkdir(exist_ok=True)
    (logged / "columns" / "mlids-20200101T000000Z-1.tally").mkdir()
    found, _ = asked_all(run)
    assert found["total"] == count
    holds(logged)
    logger = EventLogger(logged)
    logger.log_event("Failed Login")
    logger.close()
    holds(logged)


def test_empty_files_are_empty(run, logged):
    count = len(numbers(logged))
    (logged / "mlids-20200101T000000Z-1.jsonl").touch()
    (logged / "mlids-20200101T000000Z-2.jsonl.gz").touch()
    (logged / "mlids-20200101T000000Z-3.jsonl.zst").touch()
    found, told = asked_all(run)
    assert found["total"] == count
    assert "mlids-20200101T000000Z-3.jsonl.zst" in told


def unprivileged():
    """Root without any right of root."""
    privileges.drop(())


@root
def test_a_segment_that_may_not_be_read_is_left_out_and_said(run, logged):
    first, *_ = segments.sealed(logged)
    lost = sum(1 for _ in segments.lines(first))
    count = len(numbers(logged))
    os.chown(first, 65534, 65534)
    first.chmod(0o600)
    program = run("analyze", "--search", "type:*", "--format", "json", preexec_fn=unprivileged)
    assert program.end() == 0, program.told()
    assert json.loads(program.printed())["total"] == count - lost
    assert f"{first.name}: Permission denied" in program.told()
    for options in (("--report", "compliance"), ()):
        program = run("analyze", *options, preexec_fn=unprivileged)
        assert program.end() in (0, 1)
        assert "Permission denied" in program.told()
    checked = run("verify", preexec_fn=unprivileged)
    assert checked.end() == 3
    assert "E004" in checked.told()


def test_a_segment_that_vanishes_while_it_is_read_hides_nothing_else(logged):
    found = Archive(logged, complete=False).search()
    seen = [next(found).details["n"]]
    gone = segments.sealed(logged)[2]
    lost = sum(1 for _ in segments.lines(gone))
    gone.unlink()
    seen += [one.details["n"] for one in found]
    assert len(seen) >= 300 - lost
    assert seen == sorted(set(seen))


# -- a clock that jumps


class Clock:
    """A clock that can be set, as the store sees it: now, the dates of names and of files."""

    def __init__(self, monkeypatch):
        self.at = 1.75e9
        seal = segments.seal

        def sealed(folder):
            os.utime(folder / segments.OPEN, (self.at, self.at))
            return seal(folder)

        monkeypatch.setattr(time, "time", lambda: self.at)
        monkeypatch.setattr(time, "time_ns", lambda: int(self.at * NS))
        monkeypatch.setattr(segments, "seal", sealed)
        monkeypatch.setattr(segments, "datetime", self)

    def now(self, zone):
        return datetime.fromtimestamp(self.at, zone)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_clock_that_jumps_hides_and_deletes_nothing(tmp_path, monkeypatch, restarts):
    clock, n = Clock(monkeypatch), 0
    moments = (1.75e9, 1.75e9 + 20 * DAY, 5.0, 1.75e9 + 3600, 9.0, 1.75e9 + 7200)
    options = {"max_size": 4096, "compression": "none", "retention": Policy(days=30)}
    logger = EventLogger(tmp_path, **options)
    for clock.at in moments:
        for _ in range(40):
            stamp = format_time(int(clock.at * NS) + n)
            logger.log(event(details={"n": n}, timestamp=stamp))
            logger.flush()
            n += 1
        if restarts:
            logger.close()
            logger = EventLogger(tmp_path, **options)
            logger.open()
    logger.close()
    names = [path.name for path in segments.sealed(tmp_path)]
    assert len(names) > 15
    assert [name[6:22] for name in names] == sorted(name[6:22] for name in names)
    archive = Archive(tmp_path)
    assert archive.count('type:"Log Retention"') == 0
    assert numbers(tmp_path) == list(range(n))
    for turn, moment in enumerate(moments):
        begin = int(moment * NS)
        found = archive.search('type:"Failed Login"', begin, begin + NS)
        assert [one.details["n"] for one in found] == list(range(turn * 40, turn * 40 + 40))
    holds(tmp_path)
    for name in REPORTS:
        report = Analyzer(tmp_path, clock=time.time_ns).report(name, Period(0, 2 * 10**18))
        assert report.data


# -- kill -9 in the middle


CRASHING = """
import os, signal, sys, time
from pathlib import Path
from mlids import logger as logging, seals, segments, store, writing
from mlids.columns import building, companions
from mlids.retention import Policy
from mlids.testing import event

point, logs = sys.argv[1], Path(sys.argv[2])
armed = False

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def dies(owner, name, before=False, when=lambda *args: True):
    real = getattr(owner, name)
    def patched(*args, **options):
        doomed = armed and when(*args)
        if doomed and before:
            die()
        result = real(*args, **options)
        return die() if doomed else result
    setattr(owner, name, patched)

def half(file, data):
    os.write(file.fileno(), data[: len(data) // 2])
    die()

def ends(ending):
    return lambda path, *_: str(path).endswith(ending)

if point == "rotation: renamed":
    dies(segments, "sync_folder")
elif point == "rotation: no file yet":
    dies(segments, "seal")
elif point == "compression: half":
    dies(os, "fsync", before=True)
elif point == "compression: beside":
    dies(Path, "unlink", before=True, when=ends(".jsonl"))
elif point == "a seal: half":
    real = seals._write_all
    seals._write_all = lambda file, data: (half if armed else real)(file, data)
elif point == "a seal: no key yet":
    dies(seals, "write_atomically", before=True)
elif point == "a seal: key":
    dies(seals, "write_atomically")
elif point == "thinning: not entered":
    dies(seals.Seals, "add", before=True, when=lambda self, link, time, **more: True)
elif point == "thinning: entered":
    dies(Path, "replace", before=True, when=ends(".partial"))
elif point == "removal: entered":
    dies(Path, "unlink", before=True, when=ends(".jsonl"))
elif point == "columns: no roll-up":
    dies(building.atomic, "write_atomically", before=True)
elif point == "columns: half":
    dies(building, "_settle")

logging.columns.behind = lambda folder: None
kept = {"removal": Policy(days=1), "thinning": Policy(by_severity={"LOW": 1})}
policy = kept.get(point.partition(":")[0], Policy())
packed = "zstd" if point.startswith("compression") else "none"
made = logging.EventLogger(logs, max_size=8192, compression=packed, retention=policy)
made.store.sealer.every_s = 0.02
made.open()
for n in range(1000):
    if n == 100:
        if point[:7] in ("thinnin", "removal"):
            for path in segments.sealed(logs)[:3]:
                os.utime(path, (1e9, 1e9))
        armed = True
        if point.startswith("columns"):
            building.build_missing(logs)
    severity = "LOW" if n % 2 else "HIGH"
    made.store.wait(made.log(event(severity=severity, details={"n": n, "x": "y" * 100})))
    print(n, flush=True)
"""


@pytest.mark.parametrize(
    "point",
    [
        "rotation: renamed",
        "rotation: no file yet",
        "compression: half",
        "compression: beside",
        "a seal: half",
        "a seal: no key yet",
        "a seal: key",
        "thinning: not entered",
        "thinning: entered",
        "removal: entered",
        "columns: no roll-up",
        "columns: half",
    ],
)
def test_killed_in_the_middle(tmp_path, point):
    command = [sys.executable, "-c", CRASHING, point, str(tmp_path)]
    crashed = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert crashed.returncode == -signal.SIGKILL, crashed.stderr
    acknowledged = len(crashed.stdout.split())
    assert acknowledged >= 100
    holds(tmp_path)
    before = numbers(tmp_path)
    assert before == sorted(set(before))
    policy = Policy(by_severity={"LOW": 1}) if "thinning" in point else Policy()
    logger = EventLogger(tmp_path, retention=policy)
    logger.open()
    fill(logger, 1000, 1100)
    logger.close()
    found = numbers(tmp_path)
    assert found == sorted(set(found))
    assert set(found) >= set(range(1000, 1100))
    old = [path for path in segments.sealed(tmp_path) if path.stat().st_mtime == 1e9]
    if "thinning" in point:
        assert len(old) == 3
        assert not any(b'"LOW"' in line for path in old for line in segments.lines(path))
        assert set(range(0, acknowledged, 2)) <= set(found)
    else:
        assert set(range(acknowledged)) <= set(found)
    assert holds(tmp_path).unsealed == 0
    assert list(tmp_path.glob(".mlids-*")) == []
    whole = Archive(tmp_path)
    assert whole.count() == len(list(Archive(tmp_path, complete=False).search()))
    assert numbers(tmp_path) == found
    assert list((tmp_path / "columns").glob(".*")) == []


# -- readers beside a writer


WRITING = """
import sys, time
from mlids import logger as logging
from mlids.retention import Policy
from mlids.testing import event

logs, seconds, bound = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
made = logging.EventLogger(logs, max_size=16384, retention=Policy(max_bytes=bound))
made.store.sealer.every_s = 0.01
made.open()
print("ready", flush=True)
end, n = time.monotonic() + seconds, 0
while time.monotonic() < end:
    for _ in range(20):
        made.log(event(details={"n": n, "x": "y" * 100}))
        n += 1
    made.flush()
    time.sleep(0.002)
made.close()
print(n)
"""


@contextlib.contextmanager
def written(logs, seconds, bound=0):
    """A process that writes at a high rate; ends when it does."""
    command = [sys.executable, "-c", WRITING, str(logs), str(seconds), str(bound)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "ready\n"
        yield writer
        writer.wait(30)


def test_readers_neither_miss_nor_repeat_while_segments_are_rotated(tmp_path):
    tailed = []
    with written(tmp_path, 4) as writer:

        def follow():
            for one in Tail(tmp_path).follow(lambda: writer.poll() is not None):
                tailed.append(one.details["n"])

        following = threading.Thread(target=follow)
        following.start()
        rounds = 0
        while writer.poll() is None:
            holds(tmp_path)
            archive = Archive(tmp_path, complete=rounds % 5 == 0)
            found = [one.details["n"] for one in archive.search('type:"Failed Login"')]
            assert found == list(range(len(found)))
            assert not tailed or tailed[-1] < 10**9
            assert not archive.left_out.broken and not archive.left_out.damaged
            rounds += 1
        total = int(writer.stdout.read())
        following.join()
    assert rounds > 3 and total > 1000
    assert len(segments.sealed(tmp_path)) > 10
    assert tailed == list(range(tailed[0], total))
    assert numbers(tmp_path) == list(range(total))


@pytest.mark.parametrize("since_ns", [0, NS])
def test_verify_is_never_mistaken_while_segments_are_rotated_and_removed(tmp_path, since_ns):
    with written(tmp_path, 3, bound=20_000) as writer:
        rounds = 0
        while writer.poll() is None:
            found = verification.verify(tmp_path, since_ns=since_ns)
            assert (found.ok, found.bad) == (True, "")
            rounds += 1
    assert rounds > 10
    assert holds(tmp_path).removed > 5


def test_verify_is_never_mistaken_while_segments_are_thinned(tmp_path):
    logger = EventLogger(tmp_path, max_size=8192, compression="none")
    for n in range(1000):
        logger.log(event(severity="LOW" if n % 2 else "HIGH", details={"n": n, "x": "y" * 100}))
    logger.close()
    for number, path in enumerate(segments.sealed(tmp_path)):
        os.utime(path, (number, number))
    wrong, ending = [], threading.Event()

    def check():
        while not ending.is_set():
            for since_ns in (0, 20 * NS):
                found = verification.verify(tmp_path, since_ns=since_ns)
                wrong.extend([found.bad] if not found.ok else [])

    checking = threading.Thread(target=check)
    checking.start()
    for keep in ({"LOW": 1}, {"LOW": 1, "HIGH": 1}):
        logger = EventLogger(tmp_path, retention=Policy(by_severity=keep))
        logger.open()
        logger.close()
    ending.set()
    checking.join()
    assert wrong == []
    assert holds(tmp_path).thinned > 10


def test_a_second_writer_is_refused_and_readers_are_not(watch, run):
    first = watch().ready()
    second = watch()
    assert second.end() == 3
    assert "E006" in second.told() and str(first.pid) in second.told()
    for options in (("analyze",), ("verify",), ("status",), ("suppress", "list")):
        assert run(*options).end() == 0
    assert first.stop() == 0


# -- what forgers do


def changed(change):
    """Change the lines of the second segment, whatever it is compressed with."""

    def act(logs):
        path = segments.sealed(logs)[1]
        lines = list(segments.lines(path))
        path.unlink()
        path.with_name(f"{segments.stem(path)}.jsonl").write_bytes(b"".join(change(lines)))

    return act


def cut(path):
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def an_old_segment_again(logs):
    (logs / "mlids-29990101T000000Z-1.jsonl.zst").write_bytes(segments.sealed(logs)[0].read_bytes())


FORGERIES = {
    "a byte": (changed(lambda lines: [*lines[:3], lines[3].replace(b"u", b"v", 1), *lines[4:]])),
    "a line": changed(lambda lines: lines[:3] + lines[4:]),
    "two lines": changed(lambda lines: [lines[1], lines[0], *lines[2:]]),
    "a foreign line": changed(lambda lines: [*lines, b'{"type":"XSS"}\n']),
    "the last line": lambda logs: cut(segments.files(logs)[-1]),
    "a segment": lambda logs: segments.sealed(logs)[1].unlink(),
    "an old segment again": an_old_segment_again,
    "seals": lambda logs: (logs / "seals" / FILE).unlink(),
    "all about seals": lambda logs: shutil.rmtree(logs / "seals"),
    "old seals": lambda logs: cut(logs / "seals" / FILE),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_was_forged_is_said_plainly(run, logged, forgery):
    holds(logged)
    FORGERIES[forgery](logged)
    for options in ((), ("--since", "1d"), ("--json",)):
        program = run("verify", *options)
        assert program.end() == 1, program.printed()
        if options != ("--json",):
            assert program.printed().startswith("FAILED  ")
        else:
            assert not json.loads(program.printed())["ok"]


def test_what_was_forged_is_said_in_reports_too(run, logged):
    FORGERIES["a line"](logged)
    assert run("analyze").end() == 0
    program = run("analyze", "--report", "compliance")
    assert program.end() == 1
    assert "is not what MLIDS wrote" in " ".join(program.printed().split())


def test_touching_files_is_no_forgery(run, logged):
    for path in (*logged.iterdir(), *(logged / "seals").iterdir()):
        path.touch()
    for options in ((), ("--since", "1h"), ("--since", "2000-01-01")):
        assert run("verify", *options).end() == 0
    for path in segments.sealed(logged):
        os.utime(path, (1, 1))
    assert run("verify", "--since", "1d").end() == 0


# -- where seals cannot be


@pytest.mark.parametrize("place", ["absent", "a file", "below a file", "read-only"])
def test_seals_that_cannot_be_written_are_told_once_and_mlids_runs_on(watch, run, tmp_path, place):
    (tmp_path / "file").touch()
    (tmp_path / "locked").mkdir(0o500)
    chosen = {"absent": "new/seals", "a file": "file", "below a file": "file/seals"}
    environment = {"MLIDS_LOGGING__SEALS_DIR": chosen.get(place, "locked/seals")}
    limits = {"preexec_fn": unprivileged} if os.geteuid() == 0 and place == "read-only" else {}
    program = watch(environment=environment, **limits).ready()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    with (tmp_path / "auth.log").open("a") as log:
        log.write(f"{stamp} web1 sshd[1]: Failed password for u1 from 192.0.2.9 port 5 ssh2\n")
    program.until_event("Failed Login")
    time.sleep(0.2)
    assert program.stop() == 0
    assert program.told().count("E106") + program.told().count("E004") == (place != "absent")
    checked = run("verify", environment=environment)
    assert checked.end() == (0 if place == "absent" else 1), checked.printed() + checked.told()
    assert run("analyze", environment=environment).end() == 0
    judged = run("analyze", "--report", "compliance", environment=environment)
    assert judged.end() in (0, 1)


# -- what people and programs keep beside the log


BOOKS = {
    "cut": "{",
    "a list": "[]",
    "of numbers": '{"suppressions": [1, 2]}',
    "of another type": '{"suppressions": {"id": "x"}}',
    "deep": '{"suppressions":' + "[" * 100_000,
    "no text": b"\xff\xfe\x00",
    "huge": '{"suppressions": [' + ",".join(["{}"] * 200_000) + "]}",
}


@pytest.mark.parametrize("book", BOOKS)
def test_a_broken_book_of_suppressions_suppresses_nothing_and_is_told(watch, run, tmp_path, book):
    (tmp_path / "logs").mkdir()
    content = BOOKS[book]
    path = tmp_path / "logs" / "suppressions.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    program = watch().ready()
    program.until_told("E002")
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    with (tmp_path / "auth.log").open("a") as log:
        log.write(f"{stamp} web1 sshd[1]: Failed password for u1 from 192.0.2.9 port 5 ssh2\n")
    program.until_event("Failed Login")
    asked = run("suppress", "list")
    assert asked.end() == 3 and "E002" in asked.told()
    assert program.stop() == 0
    assert program.told().count("E002") == 1


@pytest.mark.parametrize(
    "rule", ["count: 0", "count: 100000000", "seconds: -1", "kind: never", "x: 1"]
)
def test_absurd_thresholds_are_refused_with_their_place(run, tmp_path, rule):
    text = f"logging:\n  thresholding:\n    - type: XSS\n      {rule}\n"
    (tmp_path / "config.yaml").write_text(text)
    program = run("analyze")
    assert program.end() == 3
    assert "E002" in program.told() and "thresholding" in program.told()


# -- texts that act


HOSTILE = [
    "\x1b]0;owned\x07\x1b[2J\x9b31m",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "=cmd|' /C calc'!A0",
    "[x](javascript:alert(1)) ![](http://x/y)",
    "a\x00b\r\nE999 forged line\u202e\u2028",
    "x" * 3000,
    "{{7*7}}${jndi:ldap://x}",
]
ACTIVE = ("\x1b", "\x9b", "\x00", "\u202e", "\u2028")
IN_MARKDOWN = re.compile(r"(?<!\\)(<script|<img src=x|\[x\]\(javascript)")


@pytest.fixture
def hostile(tmp_path):
    logger = EventLogger(tmp_path / "logs", max_size=200_000, tell=lambda error: None)
    for n, text in enumerate(HOSTILE):
        details = {"ip": text, "user": text, "path": text, "target": text, "description": text}
        details["metadata"] = {"deep": [[[[text[:100]]]]], "number": 2**200, text[:50]: "\ud800"}
        for type in (text, "Failed Login", "Incident", "Monitoring Gap"):
            logger.log_event(type, details, "HIGH", source=text[:100], tags=[text], rule=text)
        logger.log(event("XSS", details=details, host=text, id=f"{n:032x}", techniques=[text]))
    logger.log_event("XSS", {"user": "x" * 1_000_000, "description": "y" * 1_000_000})
    logger.log_event(
        "XSS", {"\udcff": "\udcff", "path": b"/\xff".decode("utf-8", "surrogateescape")}
    )
    logger.close()
    with (tmp_path / "logs" / "mlids.jsonl").open("ab") as file:
        for key, value in (("ip", [1]), ("user", {"a": 1}), ("suppressed", 10**40), ("path", True)):
            whole = event(details={key: value}, timestamp=format_time(time.time_ns()))
            file.write(json.dumps(whole | {"rule": [value], "techniques": 7}).encode() + b"\n")
        file.write(b'{"a":' * 100_000 + b"\n")
    return tmp_path / "logs"


FORMS = [
    (),
    ("--search", "type:*", "--limit", "1000"),
    *(("--group-by", name) for name in ("ip", "user", "tags")),
    *(
        ("--report", report, "--format", form)
        for report in ("summary", "incidents", "compliance", "executive")
        for form in ("txt", "md")
    ),
]


def test_hostile_texts_do_nothing(run, hostile):
    for options in FORMS:
        program = run("analyze", *options)
        assert program.end() in (0, 1), (options, program.told())
        shown = program.printed() + program.told()
        assert not any(text in shown for text in ACTIVE), options
        assert "md" not in options or not IN_MARKDOWN.search(shown), options
        assert not any(line.startswith("E999") for line in shown.splitlines())


def test_hostile_texts_do_nothing_in_files(run, hostile, tmp_path):
    files = (
        ("--plot", "--plot-path", "plots"),
        ("--report", "incidents", "--format", "navigator"),
        ("--report", "summary", "--format", "html", "--output-dir", "out"),
        *(("--search", "type:*", "--format", form) for form in ("csv", "jsonl", "ecs", "ocsf")),
        *(("--search", "type:*", "--format", form) for form in ("cef", "rfc5424", "stix")),
        ("--backtest", "thresholds.brute_force_threshold=8"),
    )
    for options in files:
        program = run("analyze", *options)
        assert program.end() == 0, (options, program.told())
        shown = program.printed()
        assert "\x1b" not in shown and "\x00" not in shown, options
    page = (tmp_path / "out" / "mlids-summary.html").read_text()
    assert "<script>alert" not in page and "<img src=x" not in page
    for command in ("verify", "explain"):
        program = run(command, *(["0" * 31 + "1"] if command == "explain" else []))
        assert program.end() in (0, 1), program.told()
        assert "\x1b" not in program.printed() + program.told()
