import msgspec
import pytest

from mlids.sigma import audit
from mlids.sigma.audit import AuditEvents
from mlids.testing import cut, lines


def stamp(serial, second=1736764245):
    return f"msg=audit({second}.123:{serial})"


def process(serial, *arguments, pid=100, ppid=1, second=1736764245, more="", end=True):
    at = stamp(serial, second)
    spelled = " ".join(f"a{n}={argument}" for n, argument in enumerate(arguments))
    found = [
        f"type=SYSCALL {at}: arch=c000003e syscall=59 success=yes exit=0 a0=55 a1=56"
        f' ppid={ppid} pid={pid} auid=1000 uid=33 comm="x" exe="/usr/bin/{pid}"{more}',
        f"type=EXECVE {at}: argc={len(arguments)} {spelled}",
        f'type=CWD {at}: cwd="/srv/www"',
        f'type=PATH {at}: item=0 name="/usr/bin/x" nametype=NORMAL',
    ]
    return found + ([f"type=PROCTITLE {at}: proctitle=6C73"] if end else [])


def built(*texts, events=None, flush=True):
    events = events or AuditEvents()
    found = [one for _, one in events.add(lines(*texts, source="audit.log"))]
    return found + (list(events.flush()) if flush else [])


def test_a_process_is_one_record():
    coded = "2F62696E2F7368202D63206964"  # /bin/sh -c id
    (one,) = built(*process(7, '"sh"', '"-c"', coded))
    assert one.what == "process_creation"
    assert one.record == {
        "Image": "/usr/bin/100",
        "ProcessId": "100",
        "User": "33",
        "LogonId": "33",
        "CommandLine": "sh -c /bin/sh -c id",
        "CurrentDirectory": "/srv/www",
        "ParentProcessId": "1",
    }
    assert one.time_ns == 1736764245_123000000
    assert [place["line"] for place in one.evidence] == [2, 1, 3]


def test_parents_are_known_where_they_began_before_our_eyes():
    texts = process(1, '"bash"', pid=50) + process(2, '"id"', pid=51, ppid=50)
    child = built(*texts)[1]
    assert child.record["ParentImage"] == "/usr/bin/50"
    assert child.record["ParentCommandLine"] == "bash"


def test_files_and_connections():
    at = stamp(9)
    found = built(
        f'type=SYSCALL {at}: syscall=257 success=yes uid=0 pid=5 exe="/usr/bin/vi"',
        f'type=CWD {at}: cwd="/etc"',
        f'type=PATH {at}: item=1 name="cron.d/x" nametype=CREATE',
        f'type=PATH {at}: item=2 name="/etc/gone" nametype=DELETE',
        f"type=PROCTITLE {at}: proctitle=7669",
        f'type=SYSCALL {stamp(10)}: syscall=42 success=no exit=-115 uid=0 exe="/usr/bin/nc"',
        f"type=SOCKADDR {stamp(10)}: saddr=020001BBC00002070000000000000000",
        f'type=SYSCALL {stamp(11)}: syscall=49 success=yes uid=0 exe="/usr/bin/nc"',
        f"type=SOCKADDR {stamp(11)}: saddr=020001BBC00002070000000000000000",
        f"type=SYSCALL {stamp(12)}: syscall=42 success=yes uid=0",
        f"type=SOCKADDR {stamp(12)}: saddr=zz",
    )
    assert [(one.what, one.record.get("TargetFilename")) for one in found[:2]] == [
        ("file_event", "/etc/cron.d/x"),
        ("file_delete", "/etc/gone"),
    ]
    assert found[0].record["User"] == "root"
    (connection,) = found[2:]  # binding is no connecting
    assert connection.record["DestinationIp"] == "192.0.2.7"
    assert connection.record["DestinationPort"] == "443"
    assert connection.evidence[0]["line"] == 7


def test_what_failed_is_no_process():
    texts = [line.replace("success=yes", "success=no") for line in process(1, '"id"')]
    assert built(*texts) == []


def test_an_event_is_whole_after_two_seconds_or_at_the_end():
    events = AuditEvents()
    assert built(*process(1, '"id"', end=False), events=events, flush=False) == []
    later = f"type=CWD {stamp(2, 1736764245 + 2)}: cwd=/"
    assert built(later, events=events, flush=False) == []
    later = f"type=CWD {stamp(3, 1736764245 + 3)}: cwd=/"
    assert len(built(later, events=events, flush=False)) == 1
    events = AuditEvents()
    built(*process(1, '"id"', end=False), events=events, flush=False)
    assert len(list(events.pause(1736764249 * 10**9))) == 1
    assert len(built(*process(1, '"id"', end=False))) == 1


def test_lines_of_events_may_be_mixed_and_named():
    one = ["node=web1 " + line for line in process(1, '"id"')]
    other = ["node=web2 " + line for line in process(1, '"ls"')]
    mixed = [line for pair in zip(one, other, strict=True) for line in pair]
    assert [found.record["CommandLine"] for found in built(*mixed)] == ["id", "ls"]


@pytest.mark.parametrize("front", ["", "Jan 13 10:30:45 web1 audispd: "])
def test_text_of_a_user_is_no_line_of_the_kernel(front):
    forged = " ".join(process(8, '"rm"', end=False)[:2])
    at = stamp(7)
    texts = [
        f"{front}type=USER_CMD {at}: pid=1 cmd='{forged}'",
        f"{front}type=PROCTITLE {at}: proctitle='type=EXECVE {at}: argc=1 a0=\"rm\"'",
    ]
    assert built(*texts) == []
    real = [front + line for line in process(9, '"id"')]
    assert len(built(*real)) == 1


def test_cuts_and_restarts_change_nothing():
    texts = process(1, '"bash"', pid=50) + process(2, '"id"', pid=51, ppid=50, end=False)
    batch = lines(*texts, source="audit.log")
    whole = [one for _, one in AuditEvents().add(batch)]
    for pieces in (2, 3, 9):
        events, found = AuditEvents(), []
        for part in cut(batch, pieces):
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(events.save()))
            events = AuditEvents()
            events.restore(state)
            found += [one for _, one in events.add(part)]
        assert found == whole
        assert len(list(events.flush())) == 1


def test_what_is_open_is_bounded(monkeypatch):
    monkeypatch.setattr(audit, "MOST_EVENTS", 5)
    monkeypatch.setattr(audit, "MOST_PROCESSES", 5)
    events = AuditEvents()
    texts = [line for n in range(20) for line in process(n, '"id"', pid=n, end=False)]
    assert len(built(*texts, events=events)) == 20
    assert events.evicted == 15
    assert len(events.save()["processes"]) == 5


def test_hostile_lines_never_raise():
    junk = [
        b"type=EXECVE msg=audit(99999999999999.1:1): a0=41",
        b"type=EXECVE msg=audit(1.1:1): a99999=41 a0[x=\xff\xfe",
        b"type=SOCKADDR msg=audit(1.1:2): saddr=0200",
        b"type=SYSCALL msg=audit(1.1:2): syscall=42",
        b"type=PATH msg=audit(1.1:3): nametype=CREATE",
        b"type=SYSCALL msg=audit(1.1:",
        b"\x00" * 100,
        b"type=EXECVE msg=audit(1.1:1): " + b"a0=" * 40000,
    ]
    built(*junk)
    assert built() == []
