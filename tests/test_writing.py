import os
import time

import pytest

from mlids import segments, writing
from mlids.proofs import Link, bare, claimed
from mlids.testing import event
from mlids.writing import SegmentWriter, chain_end

RECORD = event().stamped().encoded()


def writer(folder, **options):
    defaults = {"max_size": 1 << 20, "rotate_s": 0, "compression": "none", "tell": print}
    sealed = options.pop("on_sealed", lambda: None)
    made = SegmentWriter(folder, **defaults | options, on_sealed=sealed)
    made.open()
    return made


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "logs"


def test_the_chain_goes_on_in_the_next_run_and_the_next_segment(folder):
    for _ in range(3):
        one = writer(folder, max_size=1500)
        one.write([RECORD] * 4)
        one.close()
    lines = [line for path in segments.files(folder) for line in segments.lines(path)]
    assert len(segments.sealed(folder)) > 2
    assert [claimed(line).seq for line in lines] == list(range(1, 13))
    assert chain_end(folder) == claimed(lines[-1])


def test_no_file_exceeds_its_size_and_a_large_record_has_its_own(folder):
    one = writer(folder, max_size=4096)
    large = event(details={"description": "x" * 9000}).encoded()
    one.write([RECORD] * 30 + [large] + [RECORD] * 3)
    one.close()
    for path in segments.files(folder):
        size = path.stat().st_size
        assert size <= 4096 or len(path.read_bytes().splitlines()) == 1


def test_a_day_that_is_over_is_sealed_even_where_nothing_comes(folder, monkeypatch):
    one = writer(folder, rotate_s=3600)
    one.stay()
    one.write([RECORD])
    one.stay()
    assert segments.sealed(folder) == []
    later = time.time() + 3600
    monkeypatch.setattr(writing.time, "time", lambda: later)
    one.stay()
    (path,) = segments.sealed(folder)
    assert bare(path.read_bytes()) == RECORD
    one.stay()
    one.close()


def test_what_an_earlier_run_left_of_yesterday_is_sealed(folder):
    one = writer(folder, rotate_s=86_400)
    one.write([RECORD])
    one.close()
    os.utime(folder / segments.OPEN, (1, 1))
    one = writer(folder, rotate_s=86_400)
    one.stay()
    one.write([RECORD])
    one.close()
    assert len(segments.sealed(folder)) == 1
    assert len((folder / segments.OPEN).read_bytes().splitlines()) == 1


def test_those_who_wait_for_a_sealed_file_are_called(folder):
    called = []
    one = writer(folder, max_size=500, compression="zstd", on_sealed=lambda: called.append(1))
    one.write([RECORD] * 3)
    one.close(5)
    assert len(called) == len(segments.sealed(folder)) == 2


def test_a_write_that_fails_leaves_no_half_record_and_the_chain_where_it_was(folder, monkeypatch):
    one = writer(folder)
    one.write([RECORD])
    end, write = one.end, os.write

    def half(handle, data):
        write(handle, bytes(data[: len(data) // 2]))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing.os, "write", half)
    waiting = [RECORD, RECORD]
    with pytest.raises(OSError, match="No space"):
        one.write(waiting)
    assert (len(waiting), one.end) == (2, end)
    monkeypatch.setattr(writing.os, "write", write)
    one.write(waiting)
    one.close()
    lines = (folder / segments.OPEN).read_bytes().splitlines(keepends=True)
    assert [claimed(line).seq for line in lines] == [1, 2, 3]


def test_the_chain_goes_on_behind_lines_that_are_garbled(folder):
    one = writer(folder)
    one.write([RECORD] * 2)
    one.close()
    with (folder / segments.OPEN).open("ab") as file:
        file.write(b"garbage\n")
    assert chain_end(folder).seq == 2
    assert chain_end(folder / "absent") == Link()
