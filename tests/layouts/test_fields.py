from __future__ import annotations

import pytest

from mlids.layouts.fields import COLUMNS, Names, Reader


def read(record, **names):
    columns = Reader(Names(timezone="UTC", **names)).columns([record])
    return {name: columns[name][0] for name in COLUMNS if columns[name][0] is not None}


def test_a_dot_is_part_of_a_name_or_leads_inside():
    assert read({"source.ip": "203.0.113.7"})["src"] == b"203.0.113.7"
    assert read({"source": {"ip": "203.0.113.7"}})["src"] == b"203.0.113.7"


def test_the_first_name_that_says_something_counts():
    assert read({"user": None, "username": "eve"})["user"] == b"eve"
    assert read({"user": {"name": "eve"}})["user"] == b"eve"
    assert read({"who": "bob", "user": "eve"}, user="who")["user"] == b"bob"
    assert read({"b": "bob", "user": "eve"}, user=["a", "b"])["user"] == b"bob"


@pytest.mark.parametrize(
    "record",
    [
        {"X-Forwarded-For": "8.8.8.8"},
        {"http_x_forwarded_for": "8.8.8.8"},
        {"request_X-Real-Ip": "8.8.8.8"},
        {"forwarded": "for=8.8.8.8"},
        {"request": {"headers": {"X-Forwarded-For": ["8.8.8.8"]}}},
        {"remote_addr": "unknown 8.8.8.8"},
    ],
)
def test_what_a_client_chooses_is_no_source(record):
    assert "src" not in read(record)


def test_a_request_line_tells_method_and_target():
    found = read({"request": "GET /a?b=c d HTTP/1.1", "status": 200})
    assert (found["method"], found["target"], found["status"]) == (b"GET", b"/a?b=c d", b"200")
    assert "target" not in read({"request": "nonsense"})
    assert "method" not in read({"request": "x" * 50 + " / HTTP/1.1"})


def test_a_query_of_its_own_is_put_behind_the_path():
    assert read({"path": "/a", "query": "b=c", "status": 1})["target"] == b"/a?b=c"
    assert read({"path": "/a", "query": "?b=c", "status": 1})["target"] == b"/a?b=c"
    assert read({"path": "/a?x", "query": "b=c", "method": "GET"})["target"] == b"/a?x"
    assert read({"url": {"path": "/a", "query": "b"}, "status": 1})["target"] == b"/a?b"


def test_paths_of_files_are_no_requests():
    assert "target" not in read({"path": "/etc/passwd", "msg": "opened"})


def test_columns_of_no_lines_have_their_names():
    assert set(Reader(Names()).columns([])) == {"time", *COLUMNS}


def test_other_columns_are_unknown():
    with pytest.raises(KeyError):
        Reader(Names()).columns([{}])["pid"]


def test_random_keys_fill_no_memory():
    reader = Reader(Names())
    columns = reader.columns([{f"k{n}": n, "user": "eve"} for n in range(3000)])
    assert columns["user"] == [b"eve"] * 3000
    assert len(reader._plans) <= 512
