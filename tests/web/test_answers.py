from __future__ import annotations

import msgspec
import pytest

from mlids.web.answers import Answers, Outcome, Waiting, severity, sign
from mlids.web.heads import WAIT_NS
from mlids.web.matching import Finding
from mlids.web.segments import Key, Segment

KEY = Key(0, 1, 40000, 0, 2, 80)
FOUND = Finding("SQL Injection", "sqli", "sqli-x", "value q", "' or 1=1", 0.9, ("T1190",))


def waiting(next: int = 100, at: int = 0, key: Key = KEY, skip: int = 0) -> Waiting:
    return Waiting(key, at, at, next, [FOUND], "GET", "/", "x", [{"frame": 1}], skip)


def answer(text: bytes, ack: int = 100, key: Key = KEY) -> Segment:
    return Segment(key.turned(), 1, ack, 0, text, len(text), {})


def test_an_answer_is_matched() -> None:
    kept = Answers(9)
    assert list(kept.wait(waiting())) == []
    assert list(kept.answer(answer(b"HTTP/1.1 200 OK", key=KEY._replace(sport=1)))) == []
    assert list(kept.answer(answer(b"not HTTP"))) == []
    [(who, outcome)] = kept.answer(answer(b"HTTP/1.1 404 Not Found"))
    assert (who.next, outcome.status) == (100, 404)
    assert len(kept) == 0
    assert list(kept.answer(answer(b"HTTP/1.1 200 OK"))) == []


def test_answers_to_others_are_not() -> None:
    kept = Answers(9)
    list(kept.wait(waiting(100)))
    assert list(kept.answer(answer(b"HTTP/1.1 200 OK", ack=99))) == []  # of a request before
    assert list(kept.answer(answer(b"HTTP/1.1 100 Continue"))) == []
    assert len(list(kept.answer(answer(b"HTTP/1.1 500 Oh", ack=100)))) == 1


def test_pipelined_requests_are_answered_in_order() -> None:
    kept = Answers(9)
    list(kept.wait(waiting(300, skip=1)))
    list(kept.wait(waiting(300)))
    assert list(kept.answer(answer(b"HTTP/1.1 200 OK", 300))) == []  # of the harmless one
    statuses = [404, 500]
    for status in statuses:
        [(_, outcome)] = kept.answer(answer(b"HTTP/1.1 %d x" % status, 300))
        assert outcome.status == status


def test_sequence_numbers_wrap() -> None:
    kept = Answers(9)
    list(kept.wait(waiting(5)))
    assert list(kept.answer(answer(b"HTTP/1.1 200 OK", ack=(1 << 32) - 3))) == []
    assert len(list(kept.answer(answer(b"HTTP/1.1 200 OK", ack=5)))) == 1


def test_what_is_not_answered() -> None:
    kept = Answers(9)
    list(kept.wait(waiting(1, 0)))
    list(kept.wait(waiting(2, 5)))
    assert list(kept.expire(WAIT_NS)) == []
    [(who, outcome)] = kept.expire(WAIT_NS + 1)
    assert (who.next, outcome) == (1, Outcome())
    assert [who.next for who, _ in kept.flush()] == [2]
    assert len(kept) == 0
    list(kept.wait(waiting(3, 1)))
    assert len(list(kept.expire(WAIT_NS + 2))) == 1


def test_room_is_bounded_and_what_goes_is_told() -> None:
    kept = Answers(16)
    gone = [
        who for n in range(50) for who, _ in kept.wait(waiting(n, n, KEY._replace(sport=n + 1)))
    ]
    assert [who.next for who in gone] == list(range(34))
    assert kept.evicted == 34
    assert len(kept) == 16
    assert len(kept.slots()) == 16


def test_it_can_be_saved() -> None:
    kept, again = Answers(9), Answers(9)
    list(kept.wait(waiting(1)))
    list(kept.wait(waiting(2)))
    list(kept.wait(waiting(3, key=KEY._replace(sport=9))))
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(kept.save())))
    assert len(again) == 3
    assert list(again.flush()) == list(kept.flush())


@pytest.mark.parametrize(
    ("technique", "text", "found"),
    [
        ("traversal", b"HTTP/1.1 200 OK\r\n\r\nroot:x:0:0:root:/root:/bin/bash", "root:x:0:0:"),
        ("traversal", b"[boot loader]\r\ntimeout=30", "[boot loader]"),
        ("traversal", b"-----BEGIN RSA PRIVATE KEY", "-----BEGIN RSA PRIVATE KEY"),
        ("cmdi", b"uid=33(www-data) gid=33(www-data)", "uid=33(www-data) gid="),
        (
            "sqli",
            b"You have an error in your SQL syntax; check",
            "You have an error in your SQL syntax",
        ),
        ("xss", b"root:x:0:0:", ""),
        ("traversal", b"<html>the root: of it</html>", ""),
        ("cmdi", b"", ""),
    ],
)
def test_signs_that_it_worked(technique: str, text: bytes, found: str) -> None:
    assert sign(technique, text) == found


@pytest.mark.parametrize(
    ("status", "shown", "confidence", "told"),
    [
        (200, "", 0.9, "HIGH"),
        (204, "", 0.9, "HIGH"),
        (200, "", 0.5, "MEDIUM"),
        (302, "", 0.9, "MEDIUM"),
        (404, "", 0.9, "MEDIUM"),
        (500, "", 0.9, "MEDIUM"),
        (0, "", 0.9, "MEDIUM"),
        (500, "SQLSTATE[", 0.5, "HIGH"),
    ],
)
def test_severity(status: int, shown: str, confidence: float, told: str) -> None:
    assert severity(FOUND._replace(confidence=confidence), Outcome(status, shown)) == told
    assert severity(FOUND._replace(type="Web Scan"), Outcome(200)) == "MEDIUM"


def test_nothing_that_waits_ends_at_once_however_late_it_is() -> None:
    assert list(Answers(10).expire((1 << 63) - 1)) == []
