import pytest

from mlids.columns.plain import EXAMPLES, Flaws, LeftOut, numbered
from mlids.errors import MLIDSError
from mlids.segments import listed
from mlids.testing import event


def test_lines_are_numbered_and_what_is_left_out_told(tmp_path):
    path = tmp_path / "mlids.jsonl"
    lines = [event(details={"n": 1}).encoded(), b"no", event(details={"n": 2}).encoded()]
    path.write_bytes(b"\n".join(lines) + b"\n" + b'{"torn')
    left_out = LeftOut()
    sealed, stream = listed(tmp_path)
    assert sealed == []
    found = numbered(path, left_out, stream)
    assert [(n, e.details["n"]) for n, e in found] == [(1, 1), (3, 2)]
    assert (left_out.broken, left_out.torn, left_out.damaged) == (1, 1, 0)
    assert left_out.examples == [
        "mlids.jsonl: line 2 is no event",
        "mlids.jsonl: its last line has no end",
    ]


def test_examples_are_few():
    left_out = LeftOut()
    assert not left_out
    for n in range(100):
        left_out.note(str(n), Flaws(broken=2, first=7))
    assert len(left_out.examples) == EXAMPLES


def test_a_file_that_is_gone_or_none(tmp_path):
    assert list(numbered(tmp_path / "gone.jsonl", LeftOut())) == []
    (tmp_path / "mlids.jsonl").mkdir()
    with pytest.raises(MLIDSError) as caught:
        list(numbered(tmp_path / "mlids.jsonl", LeftOut()))
    with pytest.raises(MLIDSError):
        listed(tmp_path)
    assert caught.value.code == "E004"


def test_a_segment_that_cannot_be_read_is_left_out(tmp_path):
    left_out = LeftOut()
    (tmp_path / "mlids-20250113T103000Z-1.jsonl").mkdir()
    assert list(numbered(tmp_path / "mlids-20250113T103000Z-1.jsonl", left_out)) == []
    assert left_out.damaged == 1
    assert left_out.examples[0].endswith("Is a directory")


def test_a_line_that_is_being_written_ends_the_reading(tmp_path):
    path = tmp_path / "mlids.jsonl"
    line = event(details={"n": 1}).encoded() + b"\n"
    path.write_bytes(line + line[:50])
    left_out = LeftOut()
    found = numbered(path, left_out, path.open("rb"))
    assert next(found)[0] == 1
    with path.open("ab") as file:
        file.write(line[50:])
    assert len(list(found)) <= 1
    assert left_out.broken == 0


def test_the_open_file_is_the_one_that_was_listed(tmp_path):
    path = tmp_path / "mlids.jsonl"
    assert listed(tmp_path) == ([], None)
    path.write_bytes(event(details={"n": 1}).encoded() + b"\n")
    sealed, stream = listed(tmp_path)
    path.rename(tmp_path / "mlids-20250113T103000Z-1.jsonl")
    path.write_bytes(event(details={"n": 2}).encoded() + b"\n")
    found = numbered(path, LeftOut(), stream)
    assert (sealed, [e.details["n"] for _, e in found]) == ([], [1])
    stream.close()
