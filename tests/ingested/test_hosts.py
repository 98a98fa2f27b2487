from __future__ import annotations

import msgspec

from mlids.ingested.findings import Place
from mlids.ingested.hosts import Hosts
from mlids.layouts.audit import record
from mlids.testing import START_NS

CALL = (
    'type=SYSCALL msg=audit(1736764245.000:%d): arch=c000003e syscall=59 success=yes ppid=70'
    ' pid=71 auid=1000 uid=1000 tty=pts1 ses=3 comm="sh" exe="/usr/bin/dash" key=(null)'
)  # fmt: skip
ARGS = (
    'type=EXECVE msg=audit(1736764245.000:%d): argc=3 a0="sh" a1="-c" a2="echo x | base64 -d | sh"'
)
TITLE = "type=PROCTITLE msg=audit(1736764245.000:%d): proctitle=7368"


def said(made, *lines, second=0):
    found = []
    for number, line in enumerate(lines):
        place = Place(START_NS + second * 10**9, "audit.log", number + 1, number)
        found += [(f.rule, p.line) for f, p in made.told(record(line.encode()), place)]
    return found


def test_the_records_of_one_event_are_put_together():
    made = Hosts()
    mixed = (CALL % 1, CALL % 2, ARGS % 1, TITLE % 2, TITLE % 1)
    assert said(made, *mixed) == [("auditd-decoded-shell", 1)]
    assert list(made.flush()) == []


def test_events_wait_two_seconds_of_the_logs_own_time():
    made = Hosts()
    assert said(made, CALL % 1, ARGS % 1) == []
    assert said(made, CALL % 2, second=2) == []
    assert said(made, CALL % 3, second=3) == [("auditd-decoded-shell", 1)]
    made = Hosts()
    said(made, CALL % 1, ARGS % 1)
    assert list(made.due(START_NS + 2 * 10**9)) == []
    assert len(list(made.due(START_NS + 3 * 10**9))) == 1


def test_the_rest_is_told_at_the_end():
    made = Hosts()
    said(made, CALL % 1, ARGS % 1)
    ((finding, place),) = made.flush()
    assert (finding.details["process"], place.line) == ("/usr/bin/dash", 1)
    assert finding.metadata["ppid"] == "70"
    assert finding.metadata["command"] == "sh -c echo x | base64 -d | sh"


def test_what_waits_is_saved():
    first, second = Hosts(), Hosts()
    said(first, CALL % 1)
    second.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(first.save())))
    assert said(second, ARGS % 1, TITLE % 1) == [("auditd-decoded-shell", 1)]


def test_what_waits_is_bounded():
    made = Hosts()
    said(made, *(CALL % n for n in range(1000)))
    assert made.evicted == 1000 - 512
    assert len(made.save()["waiting"]) == 512


def test_fields_that_rules_ask_for():
    made = Hosts()
    call = record((CALL % 1).encode())
    found = made.prepared(call)
    assert (found["call"], found["program"], found["person"]) == ("execve", "dash", True)
    assert made.prepared({**call, "success": "no"})["call"] == ""
    assert made.prepared({**call, "auid": "4294967295"})["person"] is False
    chmod = {**call, "syscall": "268", "a1": "9ed", "a2": "1ed"}
    assert (made.prepared(chmod)["call"], made.prepared(chmod)["sets_uid"]) == ("chmod", False)
    assert made.prepared({**chmod, "a2": "9ed"})["sets_uid"] is True
    named = {**call, "arch": "?", "syscall": "?", "SYSCALL": "finit_module"}
    assert made.prepared(named)["call"] == "init_module"
    gone = {**call, "exe": "/tmp/x (deleted)"}
    assert made.prepared(gone)["program"] == "x"


def test_files_are_named():
    made = Hosts()
    crash = 'type=ANOM_ABEND msg=audit(1736764245.000:9): auid=1000 pid=7 comm="su" exe="/usr/bin/su" sig=11'
    ((finding, _),) = made.told(record(crash.encode()), Place(START_NS, "a", 1, 0))
    assert finding.details["path"] == "/usr/bin/su"
    path = 'type=PATH msg=audit(1736764245.000:1): item=0 name="/tmp/x" nametype=NORMAL'
    said(made, CALL % 1, path, path, ARGS % 1)
    ((finding, _),) = made.flush()
    assert finding.metadata["files"] == ["/tmp/x"]


def test_lines_that_are_no_records():
    assert said(Hosts(), "x", "") == []
