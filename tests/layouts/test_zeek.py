from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlids.formats.zeek import Zeek
from mlids.layouts.literals import Literals
from mlids.testing import START_NS, lines

HEAD = (
    r"#separator \x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-",
    "#path\tssh", "#open\t2025-01-13-10-30-45",
    "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tauth_success\tclient",
    "#types\ttime\tstring\taddr\tport\taddr\tport\tbool\tstring",
)  # fmt: skip
ROW = "1736764245.000000\tCabcdefgh1\t203.0.113.7\t4711\t192.0.2.1\t22\tF\t(empty)"
CONN = "1736764245.1\tCabcdefgh1\t203.0.113.7\t5\t192.0.2.1\t80\ttcp" + "\t-" * 14


def test_a_table():
    batch = lines(*HEAD, ROW, format=Zeek())
    assert batch.column("src")[-1] == b"203.0.113.7"
    assert batch.column("outcome")[-1] == b"failure"
    assert batch.column("time").tolist()[-1] == START_NS
    assert batch.records()[-1] == {
        "_path": "ssh", "ts": "1736764245.000000", "uid": "Cabcdefgh1", "id.orig_h": "203.0.113.7",
        "id.orig_p": "4711", "id.resp_h": "192.0.2.1", "id.resp_p": "22", "auth_success": "F",
        "client": "",
    }  # fmt: skip
    assert batch.records()[0] == {}


def test_headers_stay_in_force_for_the_chunks_that_follow():
    form = Zeek()
    first = lines(*HEAD, ROW, format=form)
    assert form.recognised(first).all()
    second = replace(lines(ROW, ROW.replace("\tF\t", "\tT\t"), format=form), base=len(first.data))
    assert second.column("outcome") == [b"failure", b"success"]
    assert first.column("outcome")[-1] == b"failure"
    other = lines(ROW, format=form, source="other.log")
    assert other.records() == [{}]


def test_a_header_in_the_middle_counts_for_what_follows_it():
    form = Zeek()
    changed = [line.replace("\tauth_success\tclient", "\tclient\tauth_success") for line in HEAD]
    moved = ROW.replace("\tF\t(empty)", "\tx\tT")
    batch = lines(*HEAD, ROW, *changed, moved, format=form)
    assert [o for o in batch.column("outcome") if o] == [b"failure", b"success"]
    rows = np.array([len(HEAD), len(batch) - 1])
    assert batch.take(rows).column("outcome") == [b"failure", b"success"]


def test_lines_without_a_header_are_told_by_their_shape():
    batch = lines(CONN, ROW, "1736764245.1\tx", format=Zeek())
    assert [record.get("_path") for record in batch.records()] == ["conn", None, None]
    assert batch.column("src") == [b"203.0.113.7", None, None]


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ([*HEAD, ROW], 0.95, 0.98),
        ([CONN] * 3, 0.95, 0.98),
        (['{"ts":1.5,"uid":"C1","id.orig_h":"203.0.113.7"}'], 0.95, 0.98),
        (["# a comment", "text"], 0, 0),
        (['{"a": 1}'], 0, 0),
    ],
)
def test_sniff(text, least, most):
    assert least <= Zeek().sniff(lines(*text).data) <= most


def test_sources_that_are_remembered_are_bounded():
    form = Zeek()
    for number in range(1500):
        form.recognised(lines(ROW, source=f"{number}.log"))
    assert len(form._known) == 1024


def test_only_lines_of_interest():
    form = Zeek()
    weird = [line.replace("\tssh", "\tweird") for line in HEAD]
    batch = lines(*HEAD, ROW, *weird, ROW, '{"note": "A::B"}', '{"x": 1}', format=form)
    marks = Literals((b'"note"',))
    assert form.of_interest(batch, frozenset(("weird",)), marks).tolist() == [17, 18]


def test_garbage_is_unknown():
    rubbish = ["", "#", "#separator", "#fields", r"#separator \xzz", "\t\t", "\0" * 50, "1.5\t"]
    batch = lines(*rubbish, b"\xff\t\xfe", "#fields\tts", "x\ty", format=Zeek())
    assert not any(batch.column("time"))
