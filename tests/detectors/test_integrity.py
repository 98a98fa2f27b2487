import stat

from mlids.batches import FileChange, FileState
from mlids.detectors.integrity import Integrity
from mlids.testing import START_NS, changes, check_detector


def state(**options):
    usual = {
        "size": 3,
        "mode": stat.S_IFREG | 0o644,
        "uid": 0,
        "gid": 0,
        "mtime_ns": 1,
        "inode": 7,
        "sha256": "a" * 64,
    }
    return FileState(**{**usual, **options})


CHANGES = [
    FileChange("/etc/new", "created", START_NS, None, state()),
    FileChange("/etc/passwd", "modified", START_NS + 1, state(), state(sha256="b" * 64)),
    FileChange("/etc/shadow", "modified", START_NS + 2, state(), state(mode=stat.S_IFREG | 0o666)),
    FileChange("/etc/gone", "deleted", START_NS + 3, state(), None),
    FileChange("/tmp/x", "created", START_NS + 4),
    FileChange("/tmp/x", "deleted", START_NS + 5),
]


def said(*made):
    return check_detector(Integrity, changes(*made))


def test_each_change_is_one_event_with_its_hashes():
    events = said(*CHANGES)
    assert [(e.type, e.severity) for e in events] == [
        ("File Created", "LOW"),
        ("File Modified", "MEDIUM"),
        ("File Modified", "MEDIUM"),
        ("File Deleted", "MEDIUM"),
        ("File Created", "LOW"),
        ("File Deleted", "MEDIUM"),
    ]
    modified = events[1]
    assert modified.source == "host"
    assert modified.details["path"] == "/etc/passwd"
    metadata = modified.details["metadata"]
    assert (metadata["before"]["sha256"], metadata["after"]["sha256"]) == ("a" * 64, "b" * 64)
    assert metadata["changed"] == ["content"]
    assert modified.evidence == [{"path": "/etc/passwd"}]
    assert events[0].details["metadata"]["before"] is None


def test_what_changed_is_said():
    mode, owner = said(CHANGES[2], FileChange("/x", "modified", START_NS, state(), state(uid=1000)))
    assert mode.details["metadata"]["changed"] == ["mode -rw-r--r-- → -rw-rw-rw-"]
    assert "owner 0:0 → 1000:0" in owner.details["description"]


def test_a_file_without_a_hash_is_judged_by_its_size():
    (event,) = said(
        FileChange("/big", "modified", START_NS, state(sha256=""), state(sha256="", size=9))
    )
    assert event.details["metadata"]["changed"] == ["content"]


def test_a_short_lived_file_says_so():
    events = said(*CHANGES[4:])
    assert all("only for a moment" in e.details["description"] for e in events)


def test_created_files_can_be_left_out():
    events = check_detector(lambda: Integrity(created=False), changes(*CHANGES))
    assert {e.type for e in events} == {"File Modified", "File Deleted"}
