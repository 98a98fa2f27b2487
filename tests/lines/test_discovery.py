from __future__ import annotations

import os

import pytest

from mlids.lines.discovery import Walk, base, head_of, is_pattern, is_text


@pytest.fixture
def tree(tmp_path):
    for name in (
        "a.log",
        "b.txt",
        ".hidden.log",
        "web/c.log",
        "web/deep/d.log",
        "own/e.log",
        ".git/f.log",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def found(tree, pattern, own=()):
    paths = [one.path for one in Walk([str(tree / o) for o in own]).found(str(tree / pattern))]
    assert len(paths) == len(set(paths))
    return sorted(os.path.relpath(path, tree) for path in paths)


def test_folders_are_walked_without_hidden_and_own_ones(tree):
    assert found(tree, "", ["own"]) == ["a.log", "b.txt", "web/c.log", "web/deep/d.log"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.log", ["a.log"]),
        ("web/*.log", ["web/c.log"]),
        ("*/*.log", ["own/e.log", "web/c.log"]),
        ("**/*.log", ["a.log", "own/e.log", "web/c.log", "web/deep/d.log"]),
        ("web/**", ["web/c.log", "web/deep/d.log"]),
        ("**/deep/*", ["web/deep/d.log"]),
        (".hid*", [".hidden.log"]),
        ("[ab].*", ["a.log", "b.txt"]),
        ("none/*.log", []),
        ("a.lo?", ["a.log"]),
    ],
)
def test_globs(tree, pattern, expected):
    assert found(tree, pattern) == expected


def test_links_are_followed_to_the_file_once(tree):
    (tree / "link.log").symlink_to(tree / "a.log")
    (tree / "again").symlink_to(tree / "web")
    (tree / "loop.log").symlink_to(tree / "loop.log")
    (tree / "gone.log").symlink_to(tree / "nothing")
    assert found(tree, "*.log") == ["a.log"]
    assert found(tree, "again/*.log") == ["again/c.log"]
    assert "again/c.log" not in found(tree, "")


def test_what_is_no_file_is_left_out(tree):
    os.mkfifo(tree / "pipe.log")
    assert "pipe.log" not in found(tree, "*.log")


def test_a_folder_is_listed_once_for_all_patterns(tree, monkeypatch):
    listed = []
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(path) or real(path))
    walk = Walk()
    for pattern in ("*.log", "*.txt", "**/*.log"):
        list(walk.found(str(tree / pattern)))
    assert len(listed) == len(set(listed))


def test_what_a_pattern_is(tree):
    assert is_pattern(str(tree))
    assert is_pattern("/not/there/")
    assert is_pattern(str(tree / "*.log"))
    (tree / "x[1].log").touch()
    assert not is_pattern(str(tree / "x[1].log"))
    assert not is_pattern(str(tree / "a.log"))
    assert not is_pattern("-")


@pytest.mark.parametrize(
    ("name", "names", "expected"),
    [
        ("x.log.1", {"x.log"}, "x.log"),
        ("x.log.2.gz", {"x.log"}, "x.log"),
        ("x-20250113.log.zst", {"x.log"}, "x.log"),
        ("x.log-20250113.gz", {"x.log"}, "x.log"),
        ("x-20250113.log.gz", {"x-20250113.log"}, "x-20250113.log"),
        ("x-20250113.log", {"y.log"}, ""),
        ("x.log", {"x.log", "x"}, ""),
        ("x.log.old", {"x.log"}, ""),
        ("x", {"x"}, ""),
        ("." * 250, {"."}, ""),
    ],
)
def test_to_whom_a_rotated_file_belongs(name, names, expected):
    assert base(name, names) == expected


def test_text_is_told_from_binary(tree):
    assert is_text(b"words\n")
    assert is_text(b"")
    assert is_text(b"\x1f\x8b\0\0")
    assert not is_text(b"\x7fELF\0")
    assert head_of(str(tree / "a.log"), 3) == b"a.l"
