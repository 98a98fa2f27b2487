"""`cloudwatch download` and `sync` are attacked: crashes, disks, networks, names, secrets, floods.

The processes are real. AWS is the small server of the tests, in a thread of this process, so that
it can be made to fail, looked into, and taken away.
"""

import contextlib
import itertools
import json
import os
import random
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from mlids.cloudwatch.names import file_name
from mlids.cloudwatch.periods import formatted
from tests.cloudwatch.conftest import aws_env, server
from tests.cloudwatch.server import Record, Server, filled
from tests.end_to_end.conftest import ROOT, Program

__all__ = ["aws_env", "server"]

pytestmark = pytest.mark.slow
GROUP, STREAM = "/ecs/app", "web"
DAY = 86_400_000
BEGAN = 20_100 * DAY - 3_600_000  # an hour before a midnight long ago
TEXTS = ["plain", "é😀", "two\nlines\n", "\x1b[31m", '"quoted" \\', "x" * 200, ""]


def records(count, step=1, begin=BEGAN):
    return [Record(begin + n * step, f"{n} {TEXTS[n % len(TEXTS)]}") for n in range(count)]


def now():
    return time.time_ns() // 1_000_000


def text(found):
    """What a file of these records is."""
    return "".join(
        f"[{formatted(one.timestamp)}] {_tabbed(one.message)}\n" for one in found
    ).encode()


def _tabbed(message):
    return message.removesuffix("\n").replace("\n", "\n\t")


def days(found):
    """The same by the name of the file that `sync` writes."""
    by_day = itertools.groupby(found, lambda one: formatted(one.timestamp)[:10])
    return {f"{day}.log": text(ones) for day, ones in by_day}


def names(folder):
    """Of all files below a folder."""
    found = (path for path in Path(folder).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)) for path in found}


@pytest.fixture
def cloudwatch(run, tmp_path):
    """`cloudwatch("sync", at=server.url)`: a process; small: constants that are made small in it.

    small: such as ``{"gathering.MOST_EVENTS": 100}``, so that little data is many windows.
    """

    def begin(*arguments, at, pace="0", small=None, environment=None, **how):
        smaller = tmp_path / f"smaller-{len(list(tmp_path.glob('smaller-*')))}"
        smaller.mkdir()
        lines = [f"import mlids.cloudwatch.{name.split('.')[0]}" for name in small or {}]
        lines += [f"mlids.cloudwatch.{name} = {value!r}" for name, value in (small or {}).items()]
        (smaller / "sitecustomize.py").write_text("\n".join(lines))
        return run(
            *("cloudwatch", *arguments, "--log-group", GROUP),
            *("--endpoint-url", at, "--requests-per-second", pace),
            environment={"PYTHONPATH": f"{smaller}:{ROOT}", **(environment or {})},
            **how,
        )

    return begin


def ended(program, status=0, seconds=60):
    assert program.process.wait(seconds) == status, program.told()
    return program


# -- killed


def killed_again_and_again(begin, look, seed):
    """Begin it again each time it is killed, until it ends by itself; returns how often it was."""
    chance, kills = random.Random(seed), 0
    while True:
        program = begin()
        with contextlib.suppress(subprocess.TimeoutExpired):
            ended(program, seconds=0.35 + chance.random() * (0.4 + kills / 20))
            return kills
        program.send(signal.SIGKILL)
        program.process.wait()
        look()
        kills += 1


OFTEN = {
    "gathering.MOST_EVENTS": 400,
    "downloading.SAVE_S": 0.01,
    "checkpoint.SAVE_S": 0.01,
}


def is_whole(path, truth):
    """Whether a file is what it must be; of a document its own time is left out."""
    data = path.read_bytes()
    if path.suffix == ".log":
        return data == text(truth)
    document = json.loads(data)
    found = [(one["timestamp"], one["message"]) for one in document["events"]]
    assert document["totalEvents"] == len(truth)
    return found == [(one.timestamp, one.message) for one in truth]


@pytest.mark.parametrize("name", ["x.log", "x.json"])
def test_a_download_that_is_killed_again_and_again_is_the_truth(cloudwatch, server, tmp_path, name):
    running = server({GROUP: {STREAM: records(12_000)}}, page_events=200, latency_ms=20)
    folder, truth = tmp_path / "held", running.truth(GROUP, STREAM)
    options = ("--json",) if name == "x.json" else ()

    def begin(path=f"held/{name}", small=OFTEN):
        command = ("download", STREAM, "--output", path, *options)
        return cloudwatch(*command, at=running.url, small=small)

    def look():
        if name in names(folder):  # killed after all was done
            assert is_whole(folder / name, truth)

    assert killed_again_and_again(begin, look, seed=name) >= 2
    assert names(folder) == {name, f"{name}.manifest"}
    assert is_whole(folder / name, truth)
    ended(begin(f"once/{name}", small=None))
    once = (tmp_path / "once" / name).read_bytes()
    assert same_but_for_the_time(once, (folder / name).read_bytes())


def same_but_for_the_time(one, other):
    return re.sub(rb'"exportedAt": "[^"]+"', b"", one, count=1) == re.sub(
        rb'"exportedAt": "[^"]+"', b"", other, count=1
    )


def test_a_sync_that_is_killed_again_and_again_is_the_truth(cloudwatch, server, tmp_path):
    held = {name: records(2500, step=DAY // 200) for name in ("a", "b", "web/1")}
    running = server({GROUP: held}, page_events=100, latency_ms=20)
    truth = {f"{file_name(name)}/{day}": data for name in held for day, data in days(held[name]).items()}  # fmt: skip
    folder = tmp_path / "held"

    def begin():
        return cloudwatch("sync", "--output", "held", at=running.url, small=OFTEN)

    def look():
        for name in names(folder) & truth.keys():
            assert (folder / name).read_bytes() == truth[name], name

    assert killed_again_and_again(begin, look, seed=7) >= 2
    look()
    kept = {f".sync/{name}" for name in ("checkpoint.json", "manifest.json", "mlids.lock")}
    assert names(folder) == kept | truth.keys() | {f"{name}.manifest" for name in truth}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda one: one.name)
@pytest.mark.parametrize("command", ["download", "sync"])
def test_a_signal_ends_it_soon_also_while_aws_is_silent(
    cloudwatch, server, tmp_path, command, number
):
    held = {name: records(1000) for name in "abc"}
    running = server({GROUP: held}, page_events=100, stall_every=9, stall_s=30)
    options = ("a", "b", "c") if command == "download" else ()

    def begin():
        return cloudwatch(command, *options, "--output", "held", at=running.url)

    program = begin()
    program.until(lambda: len(running.calls) >= 9, "nine calls")
    began = time.monotonic()
    status = program.stop(number)
    assert time.monotonic() - began < 2
    assert status == {signal.SIGTERM: -signal.SIGTERM, signal.SIGINT: 130}[number]
    running.faults.stall_every = 0
    ended(begin())
    found = dict.fromkeys(held, b"")
    for path in sorted((tmp_path / "held").rglob("*.log")):
        found[path.stem if command == "download" else path.parent.name] += path.read_bytes()
    assert found == {name: text(held[name]) for name in held}
    assert not [name for name in names(tmp_path / "held") if ".part" in name]


# -- a disk that is full


@pytest.fixture
def disk(tmp_path):
    """A disk of 1 MB, and what makes it larger."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "mlids-test", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs root: mounts")
    yield folder, lambda: subprocess.run(["mount", "-o", "remount,size=40m", str(folder)], check=True)  # fmt: skip
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize(
    ("command", "shuffle"),
    [
        (("download", STREAM, "--output", "disk/x.log"), False),
        (("download", STREAM, "--output", "disk/x.log", "--json"), False),
        (("sync", "--output", "disk"), False),
        (("download", STREAM, "--output", "disk/x.log"), True),  # what does not fit in memory, too
    ],
    ids=["text", "json", "sync", "overflow"],
)
def test_a_full_disk_is_said_and_gone_on_from(cloudwatch, server, disk, command, shuffle):
    folder, enlarge = disk
    running = server({GROUP: {STREAM: records(30_000)}}, page_events=1000, shuffle=shuffle)
    begin = lambda: cloudwatch(*command, at=running.url, small={"gathering.MOST_EVENTS": 2000})  # noqa: E731
    program = ended(begin(), status=3)
    first, *rest = program.told().splitlines()
    assert first.startswith("E106 ") and "No space left on device" in first
    assert "E1" not in "".join(rest) and len(rest) < 2
    assert not [name for name in names(folder) if name.endswith((".log", "x"))]
    enlarge()
    ended(begin())
    (path,) = folder.rglob("*.log")
    if "--json" in command:
        assert json.loads(path.read_bytes())["totalEvents"] == 30_000
    else:
        assert path.read_bytes() == text(running.truth(GROUP, STREAM))


# -- a network that is not there, or bad


ATTEMPTS = "access.Access.__init__.__kwdefaults__['attempts']"
SOON = {"extractor.PATIENCE_S": 1.0, ATTEMPTS: 3}


@pytest.mark.parametrize(
    "command",
    [("download", STREAM, "--output", "held/x.log"), ("sync", "--output", "held")],
    ids=["download", "sync"],
)
def test_a_wire_that_is_cut_is_said_in_time_and_gone_on_from(
    cloudwatch, aws_env, tmp_path, command
):
    held = {GROUP: {STREAM: records(4000)}}
    with Server(held, page_events=100, latency_ms=20) as before:
        program = cloudwatch(*command, at=before.url, small=SOON | OFTEN)
        program.until(lambda: len(before.calls) > 15, "a few calls")
    began = time.monotonic()
    ended(program, status=75)
    assert time.monotonic() - began < 8
    assert [line[:4] for line in program.told().splitlines() if line[0] == "E"] == ["E206"]
    assert not list((tmp_path / "held").rglob("*.log"))
    with Server(held, port=before.port) as after:
        ended(cloudwatch(*command, at=after.url))
    if command[0] == "download":  # it goes on within the day, a sync with the day
        first = next(call for call in after.calls if call.operation == "FilterLogEvents")
        assert first.parameters["startTime"] > BEGAN
    (path,) = (tmp_path / "held").rglob("*.log")
    assert path.read_bytes() == text(records(4000))


@pytest.fixture(scope="module", autouse=True)
def storm(tmp_path_factory):
    """A sync in bad weather. It mostly waits, half a minute in all, so it begins with the tests."""
    folder = tmp_path_factory.mktemp("storm")
    environment = {
        **{"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"},
        **{"HOME": str(folder), "NO_PROXY": "127.0.0.1", "AWS_REGION": "us-east-1"},
    }
    weather = {"throttle": 0.3, "breaks": 0.1, "kinds": ("before", "headers", "body")}
    clouds = {"unavailable_from": 15, "unavailable": 20}
    with Server({GROUP: filled(10, 500, BEGAN)}, **weather, **clouds) as running:
        program = Program(
            folder,
            *("cloudwatch", "sync", "--output", "held", "--log-group", GROUP, "--parallel", "10"),
            *("--endpoint-url", running.url, "--requests-per-second", "0"),
            environment=environment,
        )
        yield program, running
        program.close()


def test_the_pace_is_kept_whatever_is_tried_again(cloudwatch, server):
    held = {f"s{n}": [Record(BEGAN, "x")] for n in range(20)}
    running = server({GROUP: held}, break_every=6, kinds=("before", "body"))
    ended(cloudwatch("sync", "--parallel", "20", at=running.url, pace="5"))
    moments = [call.moment for call in running.calls if call.operation == "FilterLogEvents"]
    assert len(moments) >= 23  # some of them twice
    sixth = zip(moments, moments[5:], strict=False)
    assert all(later - sooner > 0.95 for sooner, later in sixth)  # as they come in, not as they go


def test_two_at_once_are_one_and_one_that_comes_again(cloudwatch, server, tmp_path):
    running = server({GROUP: {STREAM: records(2000)}}, page_events=100, latency_ms=50)
    first = cloudwatch("sync", "--output", "held", at=running.url)
    first.until(lambda: len(running.calls) > 3, "it reads")
    second = ended(cloudwatch("sync", "--output", "held", at=running.url), status=75, seconds=5)
    assert second.told().startswith("E210 another sync is running in held")
    ended(first)
    found = [path.read_bytes() for path in sorted((tmp_path / "held/web").glob("*.log"))]
    assert b"".join(found) == text(running.truth(GROUP, STREAM))


# -- names, secrets


HOSTILE = [
    *("../../escaped", "/etc/cron.d/escaped", "..", ".", ".sync", "x/../../y", "~/x", "\\..\\x"),
    *("a\0b", "\x1b]0;title\x07\x1b[31m", "x\ny", "\u202egnp", "x" * 4096, "é" * 2000, "-rf"),
    *("A", "a", "a.", "a ", "a/", "a_", "CON", "$(touch escaped)", "; touch escaped", "%s%n", "logs"),
]  # fmt: skip


def test_names_of_streams_stay_names(cloudwatch, server, tmp_path):
    held = {name: [Record(BEGAN, f"of {n}")] for n, name in enumerate(HOSTILE)}
    typed = [name for name in HOSTILE if name[0] != "-" and "\0" not in name]
    running, around = server({GROUP: held}), set(tmp_path.parent.iterdir())
    ran = [
        ended(cloudwatch("sync", "--output", "held", "--json", at=running.url)),
        ended(cloudwatch("list", at=running.url)),
        ended(cloudwatch("download", *typed, "--output", "apart", at=running.url)),
        ended(cloudwatch("download", "none\x1b[31m\n", at=running.url), status=3),
    ]
    made = {path.name for path in tmp_path.iterdir()}
    ours = {"home", *(name for name in made if name.startswith(("console-", "smaller-")))}
    assert made - ours == {"held", "apart"}
    assert set(tmp_path.parent.iterdir()) == around
    for program in ran:
        assert not set(program.printed() + program.told()) & set("\0\x07\x1b\u202e\x7f")
    for folder, meant in (("held", HOSTILE), ("apart", typed)):
        files = list((tmp_path / folder).rglob("*.log"))
        assert len({str(path).lower() for path in files}) == len(files)
        found = [path.read_text().split("] ")[1].strip() for path in files]
        assert sorted(found) == sorted(f"of {HOSTILE.index(name)}" for name in meant)


CANARY = "canary7Zq"
PROFILE = f"""
[there]
aws_access_key_id = AKIA{CANARY}
aws_secret_access_key = {CANARY}/profile
aws_session_token = {CANARY}/profile+token
[half]
aws_access_key_id = AKIA{CANARY}
[odd]
aws_secret_access_key = {CANARY}/odd
credential_process = /bin/false {CANARY}
"""
KEYS = {
    "AWS_ACCESS_KEY_ID": f"AKIA{CANARY}",
    "AWS_SECRET_ACCESS_KEY": f"{CANARY}/secret",
    "AWS_SESSION_TOKEN": f"{CANARY}/token",
}
NO_KEYS = dict.fromkeys(KEYS, "")
ANY = frozenset({"FilterLogEvents", "GetLogEvents"})
SECRETS = {
    "all is well": ({}, KEYS, (), 0, ""),
    "of a profile": ({}, NO_KEYS, ("--profile", "there"), 0, ""),
    "half a profile": ({}, NO_KEYS, ("--profile", "half"), 3, "E201"),
    "an odd profile": ({}, NO_KEYS, ("--profile", "odd"), 3, "E201"),
    "no profile": ({}, KEYS, ("--profile", "none"), 3, "E201"),
    "expired": ({"errors": {"*": "ExpiredTokenException"}}, KEYS, (), 3, "E202"),
    "a wrong signature": ({"errors": {"*": "InvalidSignatureException"}}, KEYS, (), 3, "E202"),
    "denied": ({"denied": ANY}, KEYS, (), 3, "E203"),
    "a wrong region": ({}, KEYS, ("--region", "us east 1"), 3, "E205"),
    "throttled": ({"throttle": 1}, KEYS, (), 75, "E207"),
    "out of reach": (None, KEYS, (), 75, "E206"),
    "through a proxy": ({}, KEYS | {"NO_PROXY": "", "HTTP_PROXY": "{proxy}"}, (), 75, "E206"),
    "a wrong endpoint": (f"http://user:{CANARY}@[::1", KEYS, (), 2, "Usage"),
    "a broken file": ({}, NO_KEYS | {"AWS_SHARED_CREDENTIALS_FILE": "broken"}, (), 3, "E201"),
}


@pytest.mark.parametrize("case", SECRETS.values(), ids=SECRETS)
@pytest.mark.parametrize("command", ["download", "sync"])
def test_secrets_are_in_nothing_that_is_shown_or_kept(
    cloudwatch, server, tmp_path, free_port, command, case
):
    faults, environment, options, status, code = case
    aws = tmp_path / "home" / ".aws"
    aws.mkdir()
    (aws / "credentials").write_text(PROFILE)
    (tmp_path / "broken").write_text(f"aws_secret_access_key = {CANARY}\n[oops\n")
    secret = f"user:{CANARY}@127.0.0.1"
    if isinstance(faults, dict):
        at = server({GROUP: {STREAM: records(5)}}, **faults).url.replace("127.0.0.1", secret)
    else:
        at = faults or f"http://{secret}:{free_port}"
    environment = {
        name: value.format(proxy=f"http://{secret}:{free_port}")
        for name, value in environment.items()
    }
    streams = (STREAM,) if command == "download" else ()
    options = (*streams, "--output", "held", "--json", *options)
    small = {"extractor.PATIENCE_S": 0, ATTEMPTS: 1}
    program = cloudwatch(command, *options, at=at, small=small, environment=environment)
    ended(program, status)
    assert program.told().startswith(code)
    assert CANARY not in program.printed() + program.told()
    for path in (tmp_path / "held").rglob("*"):
        assert path.is_dir() or CANARY.encode() not in path.read_bytes()


def test_secrets_are_not_in_the_list_of_processes(cloudwatch, server):
    running = server({GROUP: {STREAM: records(5)}}, latency_ms=300)
    program = cloudwatch("download", STREAM, at=running.url, environment=KEYS)
    program.until(lambda: running.calls, "a call")
    threads = Path(f"/proc/{program.pid}/task").glob("*/children")
    shown = Path(f"/proc/{program.pid}/cmdline").read_bytes()
    assert running.url.encode() in shown and CANARY.encode() not in shown
    assert not "".join(path.read_text() for path in threads)  # nor is anybody else told
    ended(program)


# -- floods, and what comes late


def peak(program):
    """The most memory that it had at once, in MB, once it has ended."""
    status, most = Path(f"/proc/{program.pid}/status"), 0
    while program.process.poll() is None:
        with contextlib.suppress(OSError):
            found = re.search(r"VmHWM:\s+(\d+)", status.read_text())
            most = max(most, int(found[1]) if found else 0)
        time.sleep(0.01)
    ended(program)
    return most / 1024


@pytest.mark.parametrize(
    ("step", "options"),
    [(1, ()), (1, ("--json",)), (0, ())],
    ids=["text", "json", "all in one millisecond"],
)
def test_memory_stays_flat(cloudwatch, server, tmp_path, step, options):
    (held,) = filled(1, 200_000, BEGAN, step=step).values()
    running = server({GROUP: {STREAM: held}})
    program = cloudwatch("download", STREAM, "--output", "x", *options, at=running.url)
    assert peak(program) < 150
    assert json.loads((tmp_path / "x.manifest").read_bytes())["totalEvents"] == 200_000
    if step and not options:
        assert (tmp_path / "x").read_bytes() == text(held)


def test_a_stream_that_grows_while_runs_are_killed_is_the_truth_in_the_end(
    cloudwatch, server, tmp_path
):
    chance, done = random.Random(11), threading.Event()
    first = [Record(now() - 3_600_000, "first")]
    running = server({GROUP: {"a": first, "b": first}}, page_events=50, double=0.1)

    def grow():
        for number in itertools.count():
            for stream in "ab":
                late = chance.choice([0, 0, 500, 60_000, 14 * 60_000])
                at = now() - int(chance.random() * late)
                running.add(GROUP, stream, Record(at, f"{number} {TEXTS[number % 7]}", now()))
            if done.wait(0.01):
                return

    growing = threading.Thread(target=grow)
    growing.start()
    try:
        for turn in range(20):
            program = cloudwatch("sync", "--output", "often", at=running.url)
            if turn % 3 == 2:
                time.sleep(0.3 + chance.random() * 0.2)
                program.send(signal.SIGKILL)
                program.process.wait()
            else:
                ended(program)
    finally:
        done.set()
        growing.join()
    time.sleep(0.01)
    ended(cloudwatch("sync", "--output", "often", at=running.url))
    ended(cloudwatch("sync", "--output", "once", at=running.url))
    for stream in "ab":
        truth = days(running.truth(GROUP, stream))
        for folder in ("often", "once"):
            found = (tmp_path / folder / stream).glob("*.log")
            assert {path.name: path.read_bytes() for path in found} == truth, folder
    assert not [name for name in names(tmp_path / "often") if re.search(r"\.part|/\.\d", name)]
    assert len(running.truth(GROUP, "a")) > 300


def test_bad_weather_changes_nothing(storm):
    program, running = storm
    ended(program)
    assert program.told() == ""
    for stream, held in filled(10, 500, BEGAN).items():
        found = (program.folder / "held" / file_name(stream)).glob("*.log")
        assert {path.name: path.read_bytes() for path in found} == days(held)
    assert len(running.calls) > 30  # so much was tried again
