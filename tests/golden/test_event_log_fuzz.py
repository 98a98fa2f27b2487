"""Random damage and random texts: what is stored is asked, reported and proved without a crash.

Each example is small, and there are many; `tests/end_to_end/test_event_log.py` has real processes.
"""

import json
import random
import shutil

import msgspec
import pytest

from mlids import exports, renderings, segments, verification
from mlids.analyzer import REPORTS, Analyzer
from mlids.archive import Archive
from mlids.cli import listing, output
from mlids.errors import MLIDSError
from mlids.events import format_time
from mlids.logger import EventLogger
from mlids.proofs import Link, extend
from mlids.reports.layer import layer
from mlids.seals import FILE, KEY
from mlids.suppression.book import Book
from mlids.suppression.stage import Suppressing
from mlids.testing import START_NS, event

DAY_NS = 86_400 * 10**9
TEXTS = (
    "\x1b]0;x\x07\x1b[2J",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "[x](javascript:a)",
    "|a|b|",
    "a\x00b\r\n# H",
    "\u202e\u2066\x85\u2028\ufeff",
    "x" * 20_000,
    "' OR 1=1 --",
    "%s{{7*7}}",
    "192.0.2.7/33",
    "::ffff:1.2.3.4%eth0",
    "\x1f",
    "\U000e0041",
    "",
    "192.0.2.7",
    "login/sshd",
    "T1110.003",
    "2025-W03-1T10:30:45,5+00:00:30",
)
NUMBERS = (0, -1, 2**63, 2**64, -(2**65), 10**40, 1.5, -0.0, 1e308, True, False, None)
KEYS = (*event().keys(), "id", "host")
DETAILS = (
    *("ip", "user", "path", "target", "description", "suppressed", "metadata", "count", "port"),
    *("stages", "agent", "first", "last", "events", "tactics", "rules", "score", "keep", "lines"),
)
FIGURES = (
    *("input", "what", "amount", "incident", "stages", "lines", "first", "last", "conditions"),
    *("keep", "path", "bytes", "events", "entities", "techniques", "since", "until", "left_out"),
)
TYPES = (
    *("Failed Login", "Successful Login", "Incident", "Monitoring Gap", "Log Retention"),
    *("Events Suppressed", "Service Started", "Service Stopped", "Configuration Changed"),
    *("Brute Force", "SQL Injection", "File Modified", "Integrity Violation", "New Device"),
)


def wild(chance, depth=0):
    """A value of any type."""
    kind = chance.randrange(10)
    if kind == 0 and depth < 3:
        return [wild(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind == 1 and depth < 3:
        return {chance.choice(TEXTS): wild(chance, depth + 1) for _ in range(chance.randrange(4))}
    if kind == 2 and not depth:
        deep = "x"
        for _ in range(chance.choice([10, 200, 900])):
            deep = [deep]
        return deep
    return chance.choice(NUMBERS) if kind < 5 else chance.choice(TEXTS)


def line(chance):
    """A record with wrong types, missing keys and hostile texts."""
    stamp = format_time(START_NS - chance.randrange(1, 20 * DAY_NS))
    severity = chance.choice(["LOW", "MEDIUM", "HIGH", "CRITICAL"])
    made = dict(event(chance.choice(TYPES), severity, timestamp=stamp).stamped())
    details = made["details"] = dict(made["details"])
    if chance.random() < 0.4:
        details["metadata"] = {key: wild(chance) for key in FIGURES if chance.random() < 0.6}
    for key in chance.sample(DETAILS, chance.randrange(5)):
        details[key] = wild(chance)
    for key in chance.sample(KEYS, chance.randrange(3)):
        if chance.random() < 0.2:
            del made[key]
        else:
            made[key] = wild(chance)
    return json.dumps(made, ensure_ascii=chance.random() < 0.5).encode()


def store(folder, chance, count=60):
    """A sealed segment and an open file of such lines."""
    folder.mkdir()
    lines = [line(chance) for _ in range(count)]
    end, data = extend(Link(), lines[: count // 2])
    (folder / "mlids-20250101T000000Z-1.jsonl").write_bytes(data)
    (folder / segments.OPEN).write_bytes(extend(end, lines[count // 2 :])[1])
    return folder


@pytest.mark.parametrize("seed", range(5))
def test_whatever_stands_in_a_record_every_question_is_answered(tmp_path, seed):
    logs = store(tmp_path / "logs", random.Random(seed))
    analyzer = Analyzer(logs, clock=lambda: START_NS)
    period = analyzer.period(30)
    for name in REPORTS:
        report = analyzer.report(name, period, anomalies=True)
        for form in renderings.NAMES:
            if form != "pdf":
                shown = renderings.render(form, report.data, report.document)
                assert b"\x1b" not in shown and b"\x00" not in shown
    found = list(analyzer.archive.search())
    assert found
    for form in exports.NAMES:
        assert b"\x1b" not in b"".join(exports.render(form, found))
    for one in found:
        assert listing.line(one).replace("\x1b[", "").find("\x1b") == -1
    assert b"".join(output.table(found))
    for field in ("ip", "user", "type", "rule", "tags", "technique", "host", "details.count"):
        assert Archive(logs).group_by(field) == Archive(logs, complete=False).group_by(field)
    assert len(analyzer.load_data(30)) <= len(found)
    assert layer(analyzer.archive, *period, START_NS)
    assert len(list(Archive(logs, complete=False).search())) == len(found)
    assert not analyzer.verify().ok  # nobody sealed it


@pytest.fixture(scope="module")
def proved(tmp_path_factory):
    """A log of several plain segments, all of it sealed."""
    logs = tmp_path_factory.mktemp("proved") / "logs"
    logger = EventLogger(logs, max_size=4096, compression="none")
    for n in range(60):
        logger.log(event(details={"n": n}, seconds=n))
    logger.close()
    assert verification.verify(logs).ok
    return logs


@pytest.mark.parametrize("seed", range(60))
def test_every_changed_byte_is_noticed(proved, tmp_path, seed):
    chance, logs = random.Random(seed), tmp_path / "logs"
    shutil.copytree(proved, logs)
    path = chance.choice([*segments.files(logs), logs / "seals" / FILE, logs / "seals" / KEY])
    data = bytearray(path.read_bytes())
    at = chance.randrange(len(data))
    data[at] ^= 1 << chance.randrange(8)
    path.chmod(0o600)
    path.write_bytes(data)
    assert not verification.verify(logs).ok, (path.name, at)
    assert not verification.verify(logs, since_ns=1).ok


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_damage_hides_only_what_is_damaged(tmp_path, compression, seed):
    chance = random.Random(seed)
    logger = EventLogger(tmp_path, max_size=4096, compression=compression)
    for n in range(40):
        logger.log(event(details={"n": n}, seconds=n))
    logger.close()
    path = chance.choice(segments.sealed(tmp_path))
    spared = {one.details["n"] for one in Archive(tmp_path, complete=False).search()}
    spared -= {json.loads(one)["details"]["n"] for one in segments.lines(path)}
    data = bytearray(path.read_bytes())
    begin, end = sorted(chance.sample(range(len(data)), 2))
    data[begin:end] = chance.choice([b"", chance.randbytes(end - begin)])
    path.write_bytes(data)
    archive = Archive(tmp_path, complete=False)
    found = [one.details.get("n") for one in archive.search()]
    assert spared <= set(found)
    proof = verification.verify(tmp_path)  # what was cut can make one whole line of two
    assert len(found) == 40 or archive.left_out or not proof.ok


def entry(chance):
    """A suppression in which something is of another kind."""
    made = {
        "id": "0123abcd",
        "created": "2025-01-01T00:00:00Z",
        "until": "2025-02-01T00:00:00Z",
        "by": "somebody",
        "reason": "a test",
        "type": "Failed *",
    }
    for key in chance.sample([*made, "ip", "user", "rule", "removed"], chance.randrange(1, 4)):
        made[key] = wild(chance)
    return made


@pytest.mark.parametrize("seed", range(100))
def test_a_book_of_suppressions_is_read_or_refused(tmp_path, seed):
    chance = random.Random(seed)
    content = {"version": 1, "suppressions": [entry(chance)]}
    (tmp_path / "suppressions.json").write_text(json.dumps(content))
    book, told = Book(tmp_path), []
    try:
        entries = book.read()
    except MLIDSError as error:
        assert error.code == "E002"
        entries = []
    suppressing = Suppressing(tmp_path, clock=lambda: START_NS, tell=told.append)
    suppressing.refresh()
    assert len(told) == (not entries)
    suppressing.keeps_back(event())
    try:
        book.remove("0", "me", START_NS)
    except (KeyError, MLIDSError) as error:
        assert not entries or isinstance(error, KeyError)


@pytest.mark.parametrize("seed", range(30))
def test_states_of_the_rail_that_are_broken_are_begun_anew(tmp_path, seed):
    chance = random.Random(seed)
    state = tmp_path / "state"
    state.mkdir()
    shapes = (
        chance.randbytes(50),
        msgspec.msgpack.encode([1, 2, 3]),
        msgspec.msgpack.encode({"known": 1}),
        msgspec.msgpack.encode({"account": [[1]], "thresholds": {"x": 1}, "hits": {}}),
        b"",
    )
    for name in ("suppression", "correlator-incident", "correlator-sequence"):
        (state / f"{name}.msgpack").write_bytes(chance.choice(shapes))
    logger = EventLogger(tmp_path)
    logger.log_event("XSS")
    logger.close()
    assert Archive(tmp_path, complete=False).count("type:XSS") == 1
