from __future__ import annotations

import gc
import weakref

import pytest

from mlids.formats.auth import Auth
from mlids.formats.syslog import Syslog
from mlids.testing import lines

LOGIN = "Jan 13 10:30:45 host sshd[12]: Invalid user eve from 1.2.3.4 port 5"
OTHER = "Jan 13 10:30:46 host app[1]: x"


def test_columns_of_logins_stand_beside_those_of_syslog():
    batch = lines(OTHER, LOGIN, format=Auth(timezone="UTC"))
    assert batch.column("program") == [b"app", b"sshd"]
    assert batch.column("src") == [None, b"1.2.3.4"]
    assert batch.column("user") == [None, b"eve"]
    assert batch.column("outcome") == [None, b"failure"]
    with pytest.raises(KeyError):
        batch.column("status")


def test_only_logs_of_logins_are_called_so():
    auth = "\n".join([LOGIN] * 3).encode() + b"\n"
    other = "\n".join([LOGIN, OTHER, OTHER, OTHER]).encode() + b"\n"
    assert Auth().sniff(auth) > Syslog().sniff(auth) > 0.5
    assert Auth().sniff(other) == Auth().sniff(b"junk sshd\n") == Auth().sniff(b"") == 0


def test_columns_do_not_keep_their_batch_alive():
    batch = lines(LOGIN, format=Auth(timezone="UTC"))
    assert batch.column("user") == [b"eve"]
    gone = weakref.ref(batch)
    gc.disable()
    try:
        del batch
        assert gone() is None
    finally:
        gc.enable()
