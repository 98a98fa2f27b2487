import contextlib
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.query import QueryError, parse
from mlids.testing import event

LOGIN = event(
    "Failed Login",
    details={"ip": "192.168.1.100", "user": "admin", "description": "wrong *password*"},
)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", True),
        ("  ", True),
        ("Failed Login", True),
        ("login failed", True),
        ('"Failed Login"', True),
        ('"login failed"', False),
        ('"XSS"', False),
        ('type:"failed login"', True),
        ("type:Failed", False),
        ("type:Fail*", True),
        ("type:F?iled?login", True),
        (r"\*password\*", True),
        ("pass*word", True),
        ("pass*x", False),
        ("admin AND NOT root", True),
        ("admin -root", True),
        ("NOT NOT admin", True),
        ("--admin", True),
        ("root OR admin wrong", True),
        ("(root OR admin) nothing", False),
        ("user:(root OR adm*)", True),
        ("user:(root guest)", False),
        ("user!=(root OR guest)", True),
        ("severity >= MEDIUM", True),
        ("details.user:ADMIN", True),
        ("timestamp:2025-01-13 ip:192.168.0.0/16", True),
    ],
)
def test_the_language(query, expected):
    assert parse(query).matches(LOGIN) is expected


@pytest.mark.parametrize(
    ("query", "position", "said"),
    [
        ("a OR", 4, "a word, a phrase or a field"),
        ("AND a", 0, "a word, a phrase or a field"),
        ("(a", 0, "never closed"),
        ("a (b))", 5, "no bracket is open"),
        ("()", 1, "a word"),
        ("sevrity:HIGH", 0, "severity is near"),
        ("x http://y", 2, "in quotes"),
        ("severity:", 9, "a value is expected behind severity"),
        ("severity: OR a", 10, "one of LOW"),
        ("user:(a ip:b)", 8, "only values"),
        ("a severity>=FOO", 12, "one of LOW, MEDIUM"),
        ("(" * 101 + "a" + ")" * 101, 100, "100 deep"),
        ("a" * 10_001, 10_000, "10,000 characters"),
    ],
)
def test_errors_point_at_the_character(query, position, said):
    with pytest.raises(QueryError, match=said) as caught:
        parse(query)
    assert caught.value.position == position


def test_deep_brackets_are_read_and_answered():
    deep = "NOT (a OR " * 99 + "admin" + ")" * 99
    assert parse(deep).matches(LOGIN) is not parse(f"-({deep})").matches(LOGIN)


WORDS = ["a", "AND", "OR", "NOT", "-", "(", ")", '"', "\\", "ip:", "type:", "severity>=", "*", "?"]
WORDS += [" ", "10.0.0.0/8", "timestamp:", "2025-01", "details.x>", "5", "é", "\x00", "x:", "now"]


@given(st.lists(st.sampled_from(WORDS), max_size=40).map("".join) | st.text(max_size=80))
def test_hostile_text_gives_a_query_or_a_query_error(text):
    try:
        query = parse(text)
    except QueryError as error:
        assert 0 <= error.position <= len(text)
        return
    assert query.matches(LOGIN) in (True, False)
    assert query.sql().sql.count("?") >= len(query.sql().parameters) - 1


@pytest.mark.parametrize(
    "piece", ["a ", "NOT ", "-", "(", '"', "\\", "a:", "*a?", "a-b.", "user:x ", "_", "x OR "]
)
def test_long_hostile_text_is_read_quickly(piece):
    text = (piece * 10_000)[:10_000]
    best = min(_timed(text) for _ in range(3))
    assert best < 0.05 * 4  # what is promised is 50 ms; a busy machine gets more


def _timed(text):
    began = time.perf_counter()
    with contextlib.suppress(QueryError):
        parse(text)
    return time.perf_counter() - began


def test_random_cuts_of_a_real_query():
    chance = random.Random(1)
    query = 'type:"Failed Login" AND (ip:10.0.0.0/8 OR -user:(a* OR "b")) severity>=HIGH'
    for _ in range(500):
        start, end = sorted(chance.choices(range(len(query)), k=2))
        try:
            parse(query[start:end])
        except QueryError:
            continue


def test_now_is_an_argument():
    assert parse("timestamp>=now-1h", now_ns=LOGIN.time_ns).matches(LOGIN)
    assert not parse("timestamp>=now-1h", now_ns=LOGIN.time_ns + 2 * 3600 * 10**9).matches(LOGIN)
