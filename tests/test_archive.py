import gzip
import os
import random
import threading
import time
from itertools import count

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlids import segments
from mlids.archive import Archive
from mlids.columns import companions
from mlids.columns.building import build_missing
from mlids.errors import MLIDSError
from mlids.events import Event, format_time
from mlids.query import QueryError, parse
from mlids.records import read
from mlids.store import EventStore
from mlids.tally import Tally
from mlids.testing import START_NS, event
from mlids.volume import NS

HOUR = 3600 * NS


def segment(folder, number, lines, ending=""):
    path = folder / f"mlids-20250113T1030{number:02d}Z-{number}.jsonl{ending}"
    data = b"".join(line + b"\n" for line in lines)
    path.write_bytes(gzip.compress(data) if ending == ".gz" else data)
    return path


def without_columns(folder):
    archive = Archive(folder, complete=False)
    archive._answers._columns.available = False
    return archive


def events_of(folder):
    """The plain twin: every event of every file, as they were written."""
    for path in segments.files(folder):
        for line in segments.lines(path):
            if (found := read(line)) is not None:
                yield found


@pytest.fixture
def store(tmp_path):
    """Three sealed segments of 100 events and an open file; the second one is compressed."""
    number = count()

    def some(how_many):
        return [
            event(
                ("Failed Login", "XSS")[n % 2],
                ("MEDIUM", "HIGH")[n % 2],
                details={"ip": f"10.0.{n % 3}.{n % 7}", "user": f"u{n % 4}", "n": n},
                seconds=60 * n,
                techniques=["T1110", "T1078"] if n % 5 else [],
                host="gate",
            ).encoded()
            for n in (next(number) for _ in range(how_many))
        ]

    segment(tmp_path, 1, some(100))
    segment(tmp_path, 2, some(100), ".gz")
    segment(tmp_path, 3, some(100))
    (tmp_path / segments.OPEN).write_bytes(b"".join(line + b"\n" for line in some(20)))
    return tmp_path


def numbers(events):
    return [found.details["n"] for found in events]


def test_events_come_in_the_order_they_were_written(store):
    archive = Archive(store)
    assert numbers(archive.search()) == list(range(320))
    assert numbers(archive.search(newest=True)) == list(range(319, -1, -1))
    assert numbers(archive.search(limit=3)) == [0, 1, 2]
    assert numbers(archive.search("user:u3", newest=True, limit=2)) == [319, 315]
    assert numbers(archive.search(limit=0)) == []


def test_periods_are_of_the_events_own_time(store):
    archive = Archive(store)
    since, until = START_NS + 95 * 60 * NS, START_NS + 205 * 60 * NS
    assert numbers(archive.search("", since, until)) == list(range(95, 205))
    assert archive.count("", since, until) == 110
    tally = archive.tally("", since, until)
    assert (tally.total, tally.first_ns, tally.last_ns) == (110, since, until - 60 * NS)


def test_sums(store):
    archive = Archive(store)
    assert archive.count("user:u1") == 80
    assert archive.group_by("type") == [("Failed Login", 160), ("XSS", 160)]
    assert archive.group_by("techniques", "type:XSS", top=1) == [("T1078", 128)]
    assert archive.group_by("details.n", "n10?", top=2) == []
    assert archive.group_by("weekday") == [("0", 320)]
    assert dict(archive.group_by("hour", "user:u0")) == Tally.of(
        found for found in events_of(store) if found.details["user"] == "u0"
    ).by("hour")
    rates = archive.rates("severity:HIGH", window_s=3600, by="user")
    assert sum(count for _, _, count in rates) == 160
    assert {start % HOUR for start, _, _ in rates} == {0}
    with pytest.raises(MLIDSError, match="no such field"):
        archive.group_by("colour")
    with pytest.raises(QueryError):
        archive.search("type:")


def test_whole_segments_are_told_from_roll_ups_without_duckdb(store):
    build_missing(store)
    (store / segments.OPEN).unlink()
    archive = without_columns(store)
    whole = Tally.of(events_of(store))
    for path in segments.sealed(store):  # nothing is read of them
        stamp, size = path.stat().st_mtime_ns, path.stat().st_size
        path.write_bytes(b"x" * size)
        os.utime(path, ns=(stamp, stamp))
        companions.columns_path(path).write_bytes(b"x" * companions.head(path).columns)
    assert archive.tally() == whole


def test_what_was_left_out_is_told(store):
    segment(store, 4, [b"no json", event(details={"n": 999}).encoded(), b'{"other": 1}'])
    path = segment(store, 5, [event(details={"n": 1000}).encoded()] * 500, ".gz")
    path.write_bytes(path.read_bytes()[:-20])
    with (store / segments.OPEN).open("ab") as file:
        file.write(b'{"torn')
    for archive in (Archive(store), without_columns(store)):
        assert archive.count("user:u1") == 80
        left_out = archive.left_out
        assert (left_out.torn, left_out.broken, left_out.damaged) == (1, 2, 1)
        assert any("line 1 is no event" in example for example in left_out.examples)


def test_a_clock_that_jumped_hides_nothing(store):
    late = event(details={"n": 7777}, seconds=10 * 365 * 86400).encoded()
    early = event(details={"n": 8888}, seconds=-10 * 365 * 86400).encoded()
    segment(store, 6, [late, early])
    archive = Archive(store)
    assert numbers(archive.search("", START_NS + 2 * 86400 * NS)) == [7777]
    assert numbers(archive.search("", 0, START_NS)) == [8888]


def test_segments_may_change_and_vanish(store):
    archive = Archive(store)
    assert archive.count("user:u1") == 80
    first, second, _ = segments.sealed(store)
    first.write_bytes(b"".join(first.read_bytes().splitlines(keepends=True)[:50]))
    second.unlink()
    assert archive.count("user:u1") == Archive(store).count("user:u1") == 43
    assert companions.tally_path(second).exists() is False


def test_a_segment_that_vanishes_while_it_is_read(store):
    found = Archive(store).search()
    seen = [next(found)]
    for path in segments.sealed(store):
        companions.discard(path)
        path.unlink()
    assert numbers([*seen, *found])[-20:] == list(range(300, 320))


def test_damaged_columns_give_no_wrong_answer(store):
    chance = random.Random(3)
    build_missing(store)
    expected = without_columns(store).tally("severity:HIGH")
    for _ in range(30):
        build_missing(store)
        path = chance.choice(sorted((store / companions.FOLDER).glob("mlids-*")))
        data = bytearray(path.read_bytes())
        if chance.random() < 0.3:
            del data[chance.randrange(len(data)) :]
        else:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        assert Archive(store, complete=False).tally("severity:HIGH") == expected


def test_columns_that_fail_while_they_are_read(store, monkeypatch):
    build_missing(store)
    monkeypatch.setattr(companions, "sound", lambda path, known: True)
    second = companions.columns_path(segments.sealed(store)[1])
    second.write_bytes(b"x" * second.stat().st_size)
    archive = Archive(store, complete=False)
    assert numbers(archive.search()) == list(range(320))
    assert not second.exists()
    third = companions.columns_path(segments.sealed(store)[2])
    third.write_bytes(b"x" * third.stat().st_size)
    assert Archive(store, complete=False).count("user:u1") == 80


def test_a_folder_that_cannot_be_written_and_one_that_is_not_there(store, monkeypatch, tmp_path):
    monkeypatch.setattr(companions, "is_writable", lambda logs: False)
    assert Archive(store).count("user:u1") == 80
    assert not (store / companions.FOLDER).exists()
    assert Archive(tmp_path / "nothing").count() == 0


@pytest.mark.parametrize("name", ["a'b", "a[b]", "a*b?", "with space", "ж"])
def test_folders_of_any_name(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    segment(folder, 1, [event(details={"n": n}).encoded() for n in range(5)])
    assert Archive(folder).count("type:failed*") == 5


def test_while_a_writer_writes(tmp_path):
    store = EventStore(tmp_path, max_size=20_000, compression="zstd")
    archive, seen = Archive(tmp_path), []

    def write():
        for n in range(2000):
            store.append(event(details={"n": n}).encoded())
            if n % 100 == 0:
                store.flush()

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        found = numbers(archive.search())
        assert found == list(range(len(found)))
        seen.append(len(found))
    store.close()
    assert seen == sorted(seen)
    assert numbers(archive.search()) == list(range(2000))


def test_questions_can_be_asked_side_by_side(store):
    archive = Archive(store)
    found = archive.search("type:XSS")
    first = next(found)
    assert archive.count("type:XSS") == 160
    assert numbers([first, *found]) == list(range(1, 320, 2))


# -- the law of the twin: columns and JSON lines answer alike

VALUES = st.one_of(
    st.sampled_from(
        ["admin", "ADMIN", "Zoë", "\u017f", "\u212a", "10.1.2.3", "fe80::1", "a\x1fb", "\x00", ""]
    ),
    st.sampled_from(['x"y', "back\\slash", "/etc/passwd", "line\nend", "::ffff:10.1.2.3", "22"]),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([None, True, False, 22, 1.5, 1e16, 5e-7]),
)
NESTED = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3), max_leaves=4)
EVENTS = st.builds(
    lambda keys, details, seconds: event(details=details, seconds=seconds).replace(
        **{k: v for k, v in keys.items() if v != "-"}
    ),
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["Failed Login", "XSS", "Zoë", "a\x1fb", ""]),
            "severity": st.sampled_from(["LOW", "MEDIUM", "HIGH", "CRITICAL"]),
            "rule": st.just("-") | VALUES,
            "host": st.just("-") | VALUES,
            "tags": st.just("-") | st.lists(st.sampled_from(["a", "B", "a b", "", "ж"])) | VALUES,
            "techniques": st.just("-") | st.lists(st.sampled_from(["T1110", "T1078"])),
            "confidence": st.just("-") | st.sampled_from([0.5, 1, 0.25, "high", 2**60, None]),
            "other": st.just("-") | NESTED,
        }
    ),
    st.dictionaries(
        st.sampled_from(["ip", "target", "user", "path", "port", "suppressed", "x y", "ports"]),
        NESTED | st.integers(0, 9) | st.dictionaries(st.just("ports"), NESTED),
        max_size=4,
    ),
    st.integers(-100_000, 100_000),
)
TERMS = st.sampled_from(
    [
        *(
            "admin",
            "null",
            "true",
            "22",
            "1.5",
            "1e16",
            "e",
            "*",
            "a?m*",
            '"x\\"y"',
            "zoë",
            "ss",
            "-",
        ),
        *(
            "type:xss",
            "type:f*",
            "type:zoë",
            "type:k",
            "severity>LOW",
            "severity:H*",
            "-user:admin",
        ),
        *("user:admin", "user:a*", 'user:""', "user:22", "user:22.0", "user!=admin", "user>5"),
        *("ip:10.0.0.0/8", "ip:fe80::/10", "ip:10.1.2.3", "ip:1*", "ip:22", "target:10.1.2.3"),
        *("tags:a", "tags:*b*", 'tags:""', "tags:?", 'tags:"a b"', "techniques:t1110", "tags:ж"),
        *(
            "details.ports>3",
            "details.ports:22",
            "details.ports.ports:*",
            "details.x:1",
            "port:true",
        ),
        *("confidence:0.5", "confidence>=0.5", "confidence:1", "confidence:h*", "confidence:high"),
        *("timestamp:2025-01-13", "timestamp>2025-01-13T10", "timestamp!=2025-01", "rule:*/*"),
        *("host:k", 'host:"a\x1fb"', "host:/etc/*", "source:application", 'type:""', "path:*\\**"),
    ]
)
QUERIES = st.recursive(
    TERMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(" ".join),
        st.tuples(inner, inner).map(" OR ".join).map("({})".format),
        inner.map("NOT ({})".format),
    ),
    max_leaves=5,
)
FIELDS = [
    "type",
    "severity",
    "ip",
    "user",
    "tags",
    "technique",
    "day",
    "hour",
    "weekday",
    "confidence",
]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(EVENTS, min_size=1, max_size=40),
    st.lists(QUERIES, min_size=1, max_size=12),
    st.sampled_from(FIELDS),
    st.integers(-50_000, 50_000),
)
def test_columns_and_lines_answer_alike(tmp_path_factory, events, queries, field, seconds):
    folder = tmp_path_factory.mktemp("twin")
    half = len(events) // 2
    segment(folder, 1, [one.encoded() for one in events[:half]])
    segment(folder, 2, [hostile(one) for one in events[half:]])
    build_missing(folder)
    assert all(companions.head(path).columns for path in segments.sealed(folder))
    fast, plain = Archive(folder, complete=False), without_columns(folder)
    since = START_NS + seconds * NS
    known = list(events_of(folder))
    for text in [*queries, ""]:
        query = parse(text)
        for first, last in ((0, None), (since, None), (0, since)):
            expected = [
                one
                for one in known
                if query.matches(one)
                and first <= one.time_ns
                and (last is None or one.time_ns < last)
            ]
            period = (text, first, last)
            assert list(fast.search(*period)) == list(plain.search(*period)) == expected
            assert list(fast.search(*period, newest=True)) == expected[::-1]
            assert fast.count(*period) == plain.count(*period) == len(expected)
            assert fast.tally(*period) == plain.tally(*period) == Tally.of(expected)
            assert fast.group_by(field, *period) == plain.group_by(field, *period)
            asked = {"window_s": 3600, "by": field}
            assert fast.rates(*period, **asked) == plain.rates(*period, **asked)


def hostile(one: Event) -> bytes:
    """The event as somebody else would write it: other escapes, spaces, numbers, keys twice."""
    line = one.encoded()
    kind = len(line) % 5
    if kind == 0:
        return line.replace(b"a", b"\\u0061")
    if kind == 1:
        return line.replace(b":", b" : ", 1).replace(b",", b" ,\t", 2)
    if kind == 2:
        return b'{"type":"XSS",' + line[1:]
    if kind == 3:
        return line.replace(b"/", b"\\/").replace(b"1.5", b"1.50").replace(b"22", b"2.2e1")
    return line[:-1] + b',"seq":7,"chain":"' + b"0" * 32 + b'"}'


def test_hostile_lines(tmp_path):
    lines = [
        event(details={"user": "x" * (5 << 20)}).encoded(),  # too long for columns
        b"[" * 5000 + b"]" * 5000,
        event(details={"deep": "DEEP"}).encoded().replace(b'"DEEP"', b"[" * 900 + b"]" * 900),
        b'{"timestamp":"9999-12-31T00:00:00Z","type":"a","severity":"LOW","source":"b","details":{}}',
        b'{"timestamp":"0001-01-01T00:00:00+23:59","type":"a","severity":"LOW","source":"","details":{}}',
        b'{"timestamp":"2025-99-99T10:00:00Z","type":"a","severity":"LOW","source":"b","details":{}}',
        b'{"timestamp":"2025-01-13T10:00:00Z","type":"\xff","severity":"LOW","source":"","details":{}}',
        b'{"timestamp":"2025-01-13T10:00:00Z","type":"a","severity":["LOW"],"source":"","details":{}}',
        event(details={"n": 1}).encoded(),
        b"",
        b"\x00" * 100,
    ]
    segment(tmp_path, 1, lines)
    segment(tmp_path, 2, lines[1:])
    build_missing(tmp_path)
    fast, plain = Archive(tmp_path, complete=False), without_columns(tmp_path)
    for text in ("", "user:x*", "xxx", "type:a", "NOT deep"):
        assert fast.count(text) == plain.count(text)
        assert list(fast.search(text)) == list(plain.search(text))
    assert fast.left_out.broken == plain.left_out.broken > 10
    heads = [companions.head(path) for path in segments.sealed(tmp_path)]
    assert [bool(head.columns) for head in heads] == [False, True]


def test_companions_belong_to_their_segment_alone(store):
    build_missing(store)
    first, _, third = segments.sealed(store)
    stamp = first.stat().st_mtime_ns
    data = first.read_bytes()
    first.write_bytes(data.replace(b"10.0.1.1", b"10.9.9.9"))
    os.utime(first, ns=(stamp + 1, stamp + 1))
    assert Archive(store, complete=False).count("ip:10.9.9.9") > 0
    assert companions.head(third) is not None
    assert msgspec.to_builtins(companions.head(third))["rows"] == 100


def test_now_is_the_moment_of_the_question(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    moments = [time.time_ns() - ago * 10**9 for ago in (10, 3 * 3600)]
    lines = [event(timestamp=format_time(moment)).encoded() for moment in moments]
    (folder / "mlids.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    assert Archive(folder).count("timestamp>=now-2h") == 1
    assert Archive(folder).count("timestamp<now-2h") == 1
