from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.layouts.audit import kind, record

EXEC = (
    b"type=SYSCALL msg=audit(1736764245.123:42): arch=c000003e syscall=59 success=yes exit=0"
    b' a0=55 ppid=70 pid=71 auid=1000 uid=0 tty=pts0 ses=3 comm="sh" exe="/bin/dash" key=(null)'
)


def test_a_system_call():
    found = record(EXEC)
    assert (found["type"], found["serial"], found["time"]) == (
        "SYSCALL", "42", 1736764245123000000,
    )  # fmt: skip
    assert (found["exe"], found["ppid"], found["a0"]) == ("/bin/dash", "70", "55")
    assert "key" not in found
    assert kind(EXEC) == ("SYSCALL", "42")


def test_interpreted_fields():
    glued = EXEC.replace(b"key=(null)", b'key="x"AUID="alice" UID="root"')
    parted = EXEC.replace(b"key=(null)", b'key="x"\x1dAUID="alice" UID="root"')
    for line in (glued, parted):
        assert (record(line)["AUID"], record(line)["UID"], record(line)["key"]) == (
            "alice", "root", "x",
        )  # fmt: skip
    assert record(b'type=ANOM_ABEND msg=audit(1.0:1): sig=11 res=1AUID="a"')["res"] == "1"


def test_arguments():
    line = b'type=EXECVE msg=audit(1.000:1): argc=4 a0="sh" a1=2D63 a2[0]="ab" a2[1]="cd" a3=6120'
    assert record(line)["argv"] == ["sh", "-c", "abcd", "a"]


def test_what_users_typed_is_decoded():
    line = (
        b"type=USER_LOGIN msg=audit(1.000:1): pid=7 uid=0 msg='op=login acct=65766520626F62"
        b' exe="/usr/sbin/sshd" hostname=? addr=203.0.113.7 terminal=ssh res=failed\''
    )
    found = record(line)
    assert (found["acct"], found["addr"], found["res"]) == ("eve bob", "203.0.113.7", "failed")
    assert "hostname" not in found
    title = record(b"type=PROCTITLE msg=audit(1.000:1): proctitle=7368002D63006964")
    assert title["proctitle"] == "sh -c id"
    assert record(b"type=PATH msg=audit(1.000:1): name=2F746D702F61C3A9")["name"] == "/tmp/aé"


@pytest.mark.parametrize(
    "head",
    [
        b"Jan 13 10:30:45 web audispd: node=web type=SYSCALL msg=",
        b"Jan 13 10:30:45 web kernel: [   12.345] audit: type=1300 ",
        b"2025-01-13T10:30:45.123456+00:00 web audisp-syslog[3]: type=SYSCALL msg=",
        b"node=web type=SYSCALL msg=",
    ],
)
def test_records_that_others_hand_on(head):
    found = record(head + b"audit(1736764245.123:42): pid=7")
    assert (found["type"], found["node"], found["pid"]) == ("SYSCALL", "web", "7")


@pytest.mark.parametrize(
    "line",
    [
        b"Jan 13 10:30:45 web sshd[1]: Invalid user type=USER_LOGIN msg=audit(1.0:1): addr=8.8.8.8",
        b"Jan 13 10:30:45 web sshd[1]: audit: type=1112 audit(1.0:1): addr=8.8.8.8",
        b" type=SYSCALL msg=audit(1.0:1): pid=7",
        b"type=SYSCALL msg=audit(x): pid=7",
        b"",
    ],
)
def test_what_is_no_record(line):
    assert record(line) == {}
    assert kind(line) == ("", "")


@given(st.binary(max_size=300))
def test_nothing_raises(text):
    record(text)
    record(EXEC + text)


def test_long_lines_are_fast():
    began = time.perf_counter()
    for text in (b"a" * 60_000, b"a=" * 30_000, b'a="' * 20_000, b"a='" * 20_000, b"\x1d" * 60_000):
        record(EXEC + b" " + text)
        record(text)
    assert time.perf_counter() - began < 2


def test_a_single_quote_in_a_name_ends_nothing():
    """libaudit writes names without blanks as they are, whatever quotes of this kind they hold."""
    line = (
        b"type=USER_LOGIN msg=audit(1736764245.000:42): pid=7 uid=0 msg='op=login"
        b' acct="eve\'addr=198.51.100.66" exe="/usr/sbin/sshd" hostname=? addr=203.0.113.7'
        b' terminal=ssh res=failed\'\x1dUID="root"'
    )
    found = record(line)
    assert (found["acct"], found["addr"]) == ("eve'addr=198.51.100.66", "203.0.113.7")
    assert (found["res"], found["UID"], found["uid"]) == ("failed", "root", "0")


def test_a_message_that_was_cut_off_tells_what_is_left():
    line = (
        b'type=USER_LOGIN msg=audit(1736764245.000:42): pid=7 msg=\'op=login acct="eve" addr=203.0'
    )
    assert record(line)["acct"] == "eve"
