"""The spool against a plain list, across restarts, torn ends, full disks and its limit."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import deque
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.delivery.spool import Spool


def numbers(begin: int, end: int) -> list[bytes]:
    return [b'{"n":%d}' % n for n in range(begin, end)]


def drained(spool: Spool, count: int = 7) -> list[bytes]:
    lines = []
    while some := spool.read(count):
        lines += some
        spool.done()
    return lines


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 30)),
        st.tuples(st.just("read"), st.integers(1, 20)),
        st.tuples(st.just("front"), st.integers(1, 5)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=40,
)


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_is_a_queue_that_survives_restarts(steps: list[tuple[str, int]]) -> None:
    plain: deque[bytes] = deque()
    made = 0
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder) / "s")
        spool.segment_bytes = 100
        for what, count in steps:
            if what == "append":
                lines = numbers(made, made := made + count)
                assert spool.append(lines) == 0
                plain.extend(lines)
            elif what == "read":
                lines = spool.read(count)
                assert lines == [plain.popleft() for _ in range(len(lines))]
                assert lines or not plain
                spool.done()
            elif what == "front":
                lines = numbers(made, made := made + count)
                assert spool.push_front(lines) == 0
                plain.extendleft(reversed(lines))
            else:
                spool.close()
                spool = Spool(Path(folder) / "s")
                spool.segment_bytes = 100
            assert len(spool) == len(plain)
        assert drained(spool) == list(plain)
        assert not list((Path(folder) / "s").glob("*.jsonl"))


def test_what_was_read_but_not_done_comes_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(numbers(0, 10))
    assert spool.read(4) == numbers(0, 4)
    spool.done()
    assert spool.read(4) == numbers(4, 8)
    again = Spool(tmp_path)  # killed: neither done nor closed
    assert len(again) == 6
    assert drained(again) == numbers(4, 10)


def test_lines_put_in_front_replace_those_being_read(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(numbers(0, 6))
    spool.read(3)
    assert spool.push_front(numbers(1, 3)) == 0  # line 0 was taken
    spool.close()
    assert drained(Spool(tmp_path)) == numbers(1, 6)


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_torn_last_line_is_ignored_at_every_byte(tmp_path: Path, cut: int) -> None:
    Spool(tmp_path).append(numbers(0, 3))
    (segment,) = tmp_path.glob("*.jsonl")
    segment.write_bytes(segment.read_bytes()[:-cut])
    spool = Spool(tmp_path)
    assert len(spool) == 2
    spool.append(numbers(7, 8))
    assert drained(spool) == [*numbers(0, 2), *numbers(7, 8)]
    assert len(spool) == 0


def test_beyond_the_limit_the_oldest_go_and_are_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=1000)
    lost = sum(spool.append(numbers(n, n + 10)) for n in range(0, 500, 10))
    left = drained(spool)
    assert lost + len(left) == 500
    assert left == numbers(500 - len(left), 500)
    assert 500 < sum(map(len, left)) <= 1000
    assert "limit" in spool.trouble


def test_a_full_disk_loses_whole_lines_and_goes_on(tmp_path: Path) -> None:
    class Full:
        def __init__(self, file: object) -> None:
            self.file = file

        def write(self, data: bytes) -> int:
            return self.file.write(data[:5])  # type: ignore[attr-defined]

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

    spool = Spool(tmp_path)
    spool.append(numbers(0, 3))
    spool._writer = Full(spool._writer)  # type: ignore[assignment]
    assert spool.append(numbers(3, 5)) == 2
    assert "full" in spool.trouble
    assert spool.append(numbers(5, 7)) == 0
    assert drained(spool) == [*numbers(0, 3), *numbers(5, 7)]


@pytest.mark.root
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", tmp_path], check=True)
    try:
        spool = Spool(tmp_path / "s")
        lost = sum(spool.append(numbers(n, n + 100)) for n in range(0, 20_000, 100))
        assert 0 < lost < 20_000
        assert spool.trouble
        found = []
        while lines := spool.read(50):
            spool.done()
            found += lines
        assert len(found) == 20_000 - lost
        assert spool.append(numbers(0, 100)) == 0  # there is room again
        assert drained(spool) == numbers(0, 100)
        spool.close()
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_kill_9_leaves_whole_lines_in_order(tmp_path: Path) -> None:
    program = f"""
import itertools, pathlib
from mlids.delivery.spool import Spool
spool = Spool(pathlib.Path({str(tmp_path)!r}))
spool.segment_bytes = 3000
for n in itertools.count():
    spool.append([b'{{"n":%d}}' % n])
    if n % 3 == 0:
        spool.read(2)
        spool.done()
        print(n, flush=True)
"""
    begin = 0
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert process.stdout
        while int(process.stdout.readline()) < 600:
            pass
        process.kill()
        process.wait()
        process.stdout.close()
        found = [json.loads(line)["n"] for line in drained(Spool(tmp_path))]
        assert found == list(range(found[0], found[-1] + 1))
        assert found[0] > begin
        begin = 300


def test_a_folder_that_cannot_be_made_counts_as_loss(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    spool = Spool(tmp_path / "file" / "s")
    assert spool.append(numbers(0, 3)) == 3
    assert spool.push_front(numbers(0, 2)) == 2
    assert spool.read(5) == []


def test_files_that_vanish_or_shrink_do_not_stop_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(numbers(0, 3))
    next(tmp_path.glob("*.jsonl")).unlink()
    assert spool.read(5) == []
    assert len(spool) == 0
    spool.append(numbers(3, 5))
    next(tmp_path.glob("*.jsonl")).write_bytes(b"")
    assert spool.read(5) == []
    assert len(spool) == 0
    spool.append(numbers(5, 6))
    assert drained(spool) == numbers(5, 6)


@pytest.mark.parametrize("position", ["", "x y", "9" * 30 + " 1", "1 99999", "\0"])
def test_a_damaged_position_costs_repeats_only(tmp_path: Path, position: str) -> None:
    Spool(tmp_path).append(numbers(0, 3))
    (tmp_path / "position").write_text(position)
    (tmp_path / "notes.jsonl").write_text("not ours")
    assert drained(Spool(tmp_path)) in (numbers(0, 3), [])
    assert (tmp_path / "notes.jsonl").exists()
