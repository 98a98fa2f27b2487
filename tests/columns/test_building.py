import stat

import pytest

from mlids import segments
from mlids.columns import companions
from mlids.columns.building import build, build_missing
from mlids.errors import MLIDSError
from mlids.locking import FolderLock
from mlids.records import read
from mlids.tally import Tally


def test_what_is_missing_is_built(logs):
    told = []
    build_missing(logs, lambda done, of: told.append((done, of)))
    assert told == [(1, 2), (2, 2)]
    for path in segments.sealed(logs):
        assert companions.tally(path) == Tally.of(map(read, segments.lines(path)))
        mode = companions.columns_path(path).stat().st_mode
        assert stat.S_IMODE(mode) == 0o640
    build_missing(logs, lambda done, of: told.append((done, of)))
    assert len(told) == 2


def test_several_processes_build_the_same(logs):
    build_missing(logs, workers=2)
    assert companions.missing(logs) == []


def test_one_builds_at_a_time(logs):
    lock = FolderLock(companions.folder(logs))
    lock.acquire()
    with pytest.raises(MLIDSError) as caught:
        build_missing(logs)
    assert caught.value.code == "E006"
    lock.release()


def test_what_cannot_be_read_is_counted(logs):
    path = segments.sealed(logs)[0]
    lines = path.read_bytes().splitlines(keepends=True)
    (path.write_bytes(b"".join([*lines[:3], b"garbage\n", *lines[3:], b'{"torn'])),)
    build_missing(logs)
    head = companions.head(path)
    assert (head.rows, head.broken, head.first_broken) == (50, 1, 4)


def test_a_segment_that_is_gone_is_passed_over(logs):
    companions.folder(logs).mkdir()
    build(logs / "mlids-20250113T103009Z-1.jsonl")
    assert list(companions.folder(logs).iterdir()) == []
