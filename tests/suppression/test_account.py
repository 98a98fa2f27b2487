import msgspec

from mlids.suppression.account import MOST, SHOWN, Account
from mlids.testing import START_NS, event


def test_the_account_tells_by_whom_what_how_often_and_when():
    account = Account()
    for n in (5, 1, 9):
        account.add("0f8e2d11", event(seconds=n))
    account.add("limit", event("XSS"))
    (told,) = account.told(START_NS, {"0f8e2d11": "ip 192.0.2.7; a test"})
    assert (told.type, told.severity, told.source) == ("Events Suppressed", "LOW", "system")
    assert told.details["suppressed"] == 4
    first = told.details["metadata"]["lines"][0]
    assert first == {
        "suppression": "0f8e2d11",
        "meant": "ip 192.0.2.7; a test",
        "type": "Failed Login",
        "hits": 3,
        "first": "2025-01-13T10:30:46.000000Z",
        "last": "2025-01-13T10:30:54.000000Z",
    }
    assert account.told(START_NS, {}) == []


def test_counts_add_up_however_many_kinds_there_are():
    account = Account()
    for n in range(MOST + 500):
        account.add("x", event(f"Type {n}"))
    (told,) = account.told(START_NS, {})
    lines = told.details["metadata"]["lines"]
    assert len(lines) == SHOWN
    shown = sum(line["hits"] for line in lines)
    assert shown + told.details["metadata"]["left_out"] == told.details["suppressed"] == MOST + 500


def test_the_account_survives_a_restart():
    account, other = Account(), Account()
    account.add("x", event())
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(account.save())))
    assert other.lines == account.lines
