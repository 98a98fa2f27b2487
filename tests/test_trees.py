import hashlib
import os
import stat
import threading

import pytest

from mlids.trees import Tree, hashed, matches, readable


@pytest.fixture
def folder(tmp_path):
    for name in (
        "a.txt",
        "sub/b.txt",
        "sub/.git/config",
        "x.pyc",
        "logs/mlids.jsonl",
        "sub/deep/c",
    ):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "tree"


def names(tree, folder):
    return sorted(os.path.relpath(path, folder) for path in tree.paths())


def test_excluded_and_own_files_do_not_belong(folder):
    tree = Tree([str(folder)], own=[str(folder / "logs")])
    assert names(tree, folder) == ["a.txt", "sub/b.txt", "sub/deep/c"]
    assert tree.has(str(folder / "new"))
    assert not tree.has(str(folder / "logs" / "x"))
    assert tree.has(str(folder / "logs2"))
    assert not tree.has(str(folder.parent / "tree2"))


def test_patterns_with_a_slash_are_whole_paths(folder):
    assert names(Tree([str(folder)], [f"{folder}/sub/*"]), folder) == [
        "a.txt",
        "logs/mlids.jsonl",
        "x.pyc",
    ]


def test_the_root_of_the_file_system_is_a_root():
    assert Tree(["/"]).has("/etc/passwd")
    assert not Tree(["/"], own=["/etc"]).has("/etc/passwd")


def test_a_single_file_and_a_missing_root(folder):
    assert list(Tree([str(folder / "a.txt")]).paths()) == [str(folder / "a.txt")]
    assert list(Tree([str(folder / "none")]).paths()) == []


def test_state_has_hash_size_mode_and_owner(folder):
    state = Tree([str(folder)]).state(str(folder / "a.txt"))
    assert state.sha256 == hashlib.sha256(b"a.txt").hexdigest()
    assert (state.size, state.uid) == (5, os.getuid())
    assert stat.S_ISREG(state.mode)
    assert Tree([str(folder)]).state(str(folder / "none")) is None
    assert Tree([str(folder)]).state(str(folder / "sub")) is None


def test_a_known_hash_is_taken_over_where_nothing_changed(folder, monkeypatch):
    tree = Tree([str(folder)])
    known = tree.state(str(folder / "a.txt"))
    monkeypatch.setattr("mlids.trees.hashed", lambda *_: pytest.fail("hashed again"))
    assert tree.state(str(folder / "a.txt"), known) == known


def test_odd_files_never_block(folder):
    os.mkfifo(folder / "fifo")
    (folder / "loop").symlink_to(folder)
    with (folder / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    tree = Tree([str(folder)])
    assert tree.state(str(folder / "fifo")).sha256 == ""
    assert tree.state(str(folder / "sparse")).sha256 == ""
    link = tree.state(str(folder / "loop"))
    assert link.sha256 == hashlib.sha256(os.fsencode(folder)).hexdigest()
    assert str(folder / "loop") in list(tree.paths())
    assert hashed(str(folder / "fifo"), 100) == ""


def test_a_file_that_never_holds_still_has_no_hash(folder):
    path, stop = folder / "busy", threading.Event()
    path.write_bytes(b"x" * 3_000_000)

    def write():
        size = 3_000_000
        while not stop.is_set():
            with path.open("r+b") as file:
                file.truncate(size)
            size += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(5):
            state = Tree([str(folder)]).state(str(path))
            content = b"x" * 3_000_000 + bytes(state.size - 3_000_000)
            assert state.sha256 in ("", hashlib.sha256(content).hexdigest())
    finally:
        stop.set()
        thread.join()


def test_names_that_are_no_utf8_become_text(tmp_path):
    raw = os.fsencode(tmp_path) + b"/\xff\x1b"
    os.close(os.open(raw, os.O_CREAT | os.O_WRONLY))
    (path,) = Tree([str(tmp_path)]).paths()
    assert readable(path).encode()
    assert "\\xff" in readable(path)


def test_matches():
    assert matches("a.log", ["*.log"])
    assert not matches("a.logs", ["*.log"])
