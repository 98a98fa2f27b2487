import os

from mlids.retention import DAY_S, delete, expired


def test_only_segments_older_than_the_days_expire(tmp_path):
    now = 1_000_000_000
    for name, age in (
        ("mlids-20240101T000000Z-1.jsonl.zst", 91),
        ("mlids-20240102T000000Z-1.jsonl", 89),
    ):
        path = tmp_path / name
        path.write_bytes(b"x")
        os.utime(path, (now - age * DAY_S, now - age * DAY_S))
    open_file = tmp_path / "mlids.jsonl"
    open_file.write_bytes(b"x")
    os.utime(open_file, (1, 1))
    assert [(p.name, size) for p, size in expired(tmp_path, 90, now)] == [
        ("mlids-20240101T000000Z-1.jsonl.zst", 1)
    ]
    assert list(expired(tmp_path, 0, now)) == []
    for path, _ in expired(tmp_path, 90, now):
        delete(path)
        delete(path)
    assert list(expired(tmp_path, 90, now)) == []
