from __future__ import annotations

import numpy as np
import pytest

from mlids.capture import crafting as c
from mlids.floods.replies import MOST, PATTERNS, SERVICES, refusals
from mlids.testing import packets


def found(port: int, *answers: bytes) -> list[tuple[int, str]]:
    frames = [
        c.ethernet(c.ip("192.168.1.10", "203.0.113.9", 6, c.tcp(port, 4000, "PA", payload=answer)))
        for answer in answers
    ]
    batch = packets(frames)
    return list(refusals(batch, np.arange(len(batch))))


def test_every_service_has_a_pattern() -> None:
    assert set(SERVICES.values()) == set(PATTERNS)


@pytest.mark.parametrize(
    ("port", "yes", "no"),
    [
        (21, b"530 Login incorrect.\r\n", b"530 Not logged in.\r\n"),
        (21, b"530 Login or password incorrect!\r\n", b"230 User logged in\r\n"),
        (25, b"535 5.7.8 failed\r\n", b"5350 failed\r\n"),
        (110, b"-ERR Authentication failed\r\n", b"-ERR unknown command\r\n"),
        (143, b"a001 NO LOGIN failed.\r\n", b"a001 OK NO LOGIN failed\r\n"),
        (23, b"\r\n\r\nLogin incorrect\r\nlogin: ", b"nothing is incorrect here\r\n"),
        (3306, b"\x30\0\0\x02\xff\x15\x04#28000", b"\x30\0\0\x02\x00\x15\x04#28000"),
        (5432, b"E\0\0\0\x60SFATAL\0C28000\0", b"E\0\0\0\x60SERROR\0C42601\0"),
        (445, b"\0\0\0\x49\xfeSMB\x40\0\0\0\x6d\0\0\xc0", b"\0\0\0\x49\xfeSMB\x40\0\0\0\0\0\0\0"),
    ],
)
def test_refusals(port: int, yes: bytes, no: bytes) -> None:
    assert found(port, no, yes, no) == [(1, SERVICES[port])]


def test_the_port_decides_what_an_answer_means() -> None:
    assert found(25, b"530 Login incorrect.\r\n") == []
    assert found(21, b"535 5.7.8 failed\r\n") == []


def test_short_and_empty_answers() -> None:
    for port in SERVICES:
        assert found(port, b"", b"5", b"53", b"E", b"-ER", b"\0\0\0\x49\xfeSMB") == []


def test_no_more_than_so_many_are_looked_at() -> None:
    assert len(found(21, *[b"530 no\r\n"] * (MOST + 50))) == MOST
