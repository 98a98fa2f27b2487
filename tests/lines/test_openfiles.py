import gzip
import os

import pytest

from mlids.lines.openfiles import OpenFile, Truncated, end, is_same


@pytest.fixture
def path(tmp_path):
    return tmp_path / "app.log"


def opened(path, at=None):
    return OpenFile(os.open(path, os.O_RDONLY), str(path), 1000, at)


def read(file):
    cut, text = file.read(1 << 16), b""
    while cut is not None:
        text += b"".join(cut.data[a:b] + b"|" for a, b in zip(cut.starts, cut.ends, strict=True))
        cut = file.read(1 << 16)
    return text


def test_it_goes_on_from_a_position(path):
    path.write_bytes(b"one\ntwo\nhalf")
    file = opened(path)
    assert read(file) == b"one|two|"
    position = file.position()
    file.close()
    with path.open("ab") as log:
        log.write(b" a line\nthree\n")
    file = opened(path, position)
    assert read(file) == b"half a line|three|"
    file.close()


def test_a_half_line_of_a_finished_file_is_a_line(path):
    path.write_bytes(b"one\nhalf")
    file = opened(path)
    read(file)
    rest = file.finish()
    assert rest.data[rest.starts[0] : rest.ends[0]] == b"half"
    file.close()


def test_a_file_that_was_cut_is_noticed(path):
    path.write_bytes(b"one\ntwo\n")
    file = opened(path)
    read(file)
    path.write_bytes(b"x\n")
    with pytest.raises(Truncated):
        file.check()
    file.close()


def test_compressed_files_are_read_as_what_they_hold(path):
    path.write_bytes(gzip.compress(b"one\ntwo\n"))
    file = opened(path)
    assert file.packed
    assert read(file) == b"one|two|"
    file.close()


def test_the_same_file_is_known_by_its_first_bytes(path):
    path.write_bytes(b"one\n")
    file = opened(path)
    read(file)
    position = file.position()
    assert is_same(file.descriptor, os.fstat(file.descriptor), position)
    file.close()
    path.write_bytes(b"other\n")  # the same inode
    handle = os.open(path, os.O_RDONLY)
    assert not is_same(handle, os.fstat(handle), position)
    os.close(handle)


def test_the_end_counts_the_lines_before_it(path):
    path.write_bytes(b"one\ntwo\nhalf")
    handle = os.open(path, os.O_RDONLY)
    position = end(handle, path.stat().st_size, 1000)
    os.close(handle)
    assert position.lines == 2
