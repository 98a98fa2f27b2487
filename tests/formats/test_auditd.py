from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.formats.auditd import Auditd
from mlids.testing import START_NS, lines

LOGIN = (
    "type=USER_LOGIN msg=audit(1736764245.000:42): pid=7 uid=0 auid=4294967295 ses=4294967295"
    ' msg=\'op=login acct="eve" exe="/usr/sbin/sshd" hostname=? addr=203.0.113.7 terminal=ssh'
    " res=failed'"
)
NAMES = ("src", "user", "outcome", "pid", "message", "host")


def columns(line):
    batch = lines(line, format=Auditd())
    return [batch.column(name)[0] for name in NAMES]


def test_columns():
    assert columns(LOGIN) == [b"203.0.113.7", b"eve", b"failure", b"7", b"USER_LOGIN", None]
    assert lines(LOGIN, format=Auditd()).column("time").tolist() == [START_NS]
    told = columns(f"Jan 13 10:30:45 web audispd: {LOGIN}")
    assert told == [b"203.0.113.7", b"eve", b"failure", b"7", b"USER_LOGIN", b"web"]


def test_one_login_has_one_outcome():
    sshd = LOGIN.replace("USER_LOGIN", "USER_AUTH")
    su = sshd.replace("/usr/sbin/sshd", "/usr/bin/su").replace("res=failed", "res=success")
    assert columns(sshd)[2] is None
    assert columns(su)[2] == b"success"
    assert columns(LOGIN.replace("USER_LOGIN", "CRED_ACQ"))[2] is None


def test_users_who_do_not_exist():
    assert columns(LOGIN.replace('"eve"', '"(unknown)"'))[1] is None
    assert columns(LOGIN.replace('"eve"', "657665"))[1] == b"eve"


@pytest.mark.parametrize(
    "acct",
    ["6576652061646472 addr=8.8.8.8".replace(" addr", "20"), '"eve"', "65766527206164647220"],
)
def test_names_cannot_forge_a_source(acct):
    assert columns(LOGIN.replace('"eve"', acct))[0] in (b"203.0.113.7", None)


def test_sniff_and_recognised():
    batch = lines(LOGIN, "type=X", f"Jan 13 10:30:45 web sshd[1]: Invalid user {LOGIN}", "text")
    assert Auditd().sniff(batch.data) == pytest.approx(0.98 / 4)
    assert Auditd().recognised(batch).tolist() == [True, False, True, False]


@given(st.lists(st.binary(max_size=60).filter(lambda b: b"\n" not in b), max_size=5))
def test_garbage_is_unknown(rubbish):
    batch = lines(*rubbish, b"type=X msg=audit(99999999999.0:1): a", format=Auditd())
    for name in NAMES[:3]:
        assert not any(batch.column(name))
    assert not any(batch.column("time"))
