import os

import msgspec
import pytest

from mlids import segments
from mlids.columns import companions
from mlids.columns.building import build_missing
from mlids.tally import Tally


@pytest.fixture
def built(logs):
    build_missing(logs)
    return segments.sealed(logs)


def test_a_head_tells_what_a_segment_holds(built):
    head = companions.head(built[0])
    assert (head.rows, head.types, head.severities) == (50, ("Failed Login",), ("MEDIUM",))
    assert head.last_ns - head.first_ns == 49 * 10**9
    assert companions.tally(built[0]).by("ip")["10.0.0.1"] == 10
    assert companions.sound(built[0], head)


def test_it_is_of_this_very_segment(built):
    path = built[0]
    state = path.stat()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert companions.head(path) is None
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert companions.head(path) is not None
    path.write_bytes(path.read_bytes() + b"\n")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert companions.head(path) is None


def test_half_a_companion_is_none(built):
    path = companions.tally_path(built[0])
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        if (head := companions.head(built[0])) is not None:
            assert head.rows == 50
            assert companions.tally(built[0]) is None
    path.write_bytes(whole)
    companions.columns_path(built[0]).unlink()
    assert companions.head(built[0]) is None
    assert companions.missing(built[0].parent) == [built[0]]


def test_another_layout_is_built_anew(built):
    head = companions.head(built[0])
    older = msgspec.structs.replace(head, layout=companions.LAYOUT - 1)
    companions.tally_path(built[0]).write_bytes(companions.encoded(older, Tally()))
    assert companions.head(built[0]) is None


def test_orphans_and_remains_go(built):
    logs = built[0].parent
    folder = companions.folder(logs)
    (folder / ".mlids-x.partial").write_bytes(b"x")
    (folder / "notes.txt").write_bytes(b"somebody's")
    built[0].unlink()
    companions.remove_orphans(logs)
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "notes.txt",
        "mlids.lock",
        *(f"{companions.stem(built[1])}{e}" for e in (".parquet", ".tally")),
    }


def test_a_head_is_short_however_many_types_came():
    many = Tally(cells={(0, f"type {n}", "LOW", "host"): 1 for n in range(100)})
    assert companions.types_of(many) == ()
    assert companions.types_of(Tally(cells={(0, "x" * 5000, "LOW", "host"): 1})) == ()
    assert companions.types_of(Tally(cells={(0, "XSS", "LOW", "host"): 1})) == ("XSS",)


def test_patterns_are_no_names(tmp_path):
    assert companions.is_usable(tmp_path)
    assert not companions.is_usable(tmp_path / "a*b")
