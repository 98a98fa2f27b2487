from __future__ import annotations

import json
import random
import re
import time

import pytest

from mlids import addresses
from mlids.detectors.login import Login
from mlids.formats.app import App
from mlids.formats.nginx import Nginx
from mlids.formats.syslog import Syslog
from mlids.logins.records import logins, source, text
from mlids.signatures.examples import lines as written
from mlids.signatures.library import library
from mlids.testing import lines

RULES = library().of_kind("login")
SSHD = [rule for rule in RULES if rule.service == "sshd"]


def told(*messages: str, program: str = "sshd[12]"):
    text = [f"Jan 13 10:30:45 host {program}: {message}" for message in messages]
    return logins(lines(*text, format=Syslog(timezone="UTC")))


def test_examples_give_their_fields():
    for rule in SSHD:
        for example in rule.rule.match:
            program = f"{(rule.rule.programs or ['sshd'])[0]}[12]"
            (login,) = told(example.message, program=program)
            assert login.rule == rule.name
            found = (login.user, login.src, login.port, login.method, login.exists, login.times)
            assert found == (
                *(example.user, example.src, example.port, example.method),
                *(example.exists, example.count),
            )


@pytest.mark.parametrize(
    ("raw", "known"),
    [
        (b"1.2.3.4", ("1.2.3.4", "", 0)),
        (b"::ffff:1.2.3.4", ("1.2.3.4", "", 0)),
        (b"1.2.3.4:5678", ("1.2.3.4", "", 5678)),
        (b"[::1]:5678", ("::1", "", 5678)),
        (b"2001:db8::5", ("2001:db8::5", "", 0)),
        (b"host.example", ("", "host.example", 0)),
        (b"UNKNOWN", ("", "", 0)),
        (b"1.2.3.4:99999999", ("1.2.3.4", "", 0)),
        (b"\xff", ("", "\\xff", 0)),
    ],
)
def test_sources(raw, known):
    assert source(raw) == known


def test_rows_times_and_places():
    batch = lines(
        "Jan 13 10:30:44 host cron[1]: x",
        "Jan 13 10:30:45 host sshd[12]: Invalid user a from 1.2.3.4 port 5",
        "Jan 13 10:30:46 host sshd-session[13]: Accepted password for b from 1.2.3.4 port 5 ssh2",
        format=Syslog(timezone="UTC"),
    )
    found = logins(batch)
    assert [(x.row, x.machine, x.pid) for x in found] == [(1, "host", "12"), (2, "host", "13")]
    assert found[1].time_ns - found[0].time_ns == 10**9
    assert logins(batch) is found


def test_repeated_messages_count_as_often():
    (login,) = told(
        "message repeated 3 times: [ Failed password for root from 1.2.3.4 port 5 ssh2]"
    )
    assert (login.times, login.src) == (3, "1.2.3.4")
    assert told("message repeated 3 times: [ nothing]") == []
    assert told("message repeated x times: [ Invalid user a from 1.2.3.4]") == []
    (many,) = told("message repeated 999999999 times: [ Invalid user a from 1.2.3.4]")
    assert many.times == 1000


def test_other_stamps_and_programs_serve_as_well():
    for line in (
        "2025-01-13T10:30:45.123456+01:00 host sshd[1]: Invalid user a from 1.2.3.4",
        "<38>Jan 13 10:30:45 host sshd[1]: Invalid user a from 1.2.3.4",
        "<38>1 2025-01-13T10:30:45Z host sshd 1 - - Invalid user a from 1.2.3.4",
        "Jan 13 10:30:45 host sshd: Invalid user a from 1.2.3.4",
        "Jan 13 10:30:45 host /usr/sbin/sshd[1]: Invalid user a from 1.2.3.4",
        "Jan 13 10:30:45 sshd[1]: Invalid user a from 1.2.3.4 ",
    ):
        assert [x.src for x in logins(lines(line, format=Syslog()))] == ["1.2.3.4"], line


def test_other_programs_may_say_what_they_like():
    assert told("Failed password for root from 1.2.3.4 port 5 ssh2", program="sshd-fake[1]") == []
    assert told("sshd[1]: Failed password for root from 1.2.3.4 port 5 ssh2", program="x") == []


def test_lines_without_a_format_tell_nothing():
    assert logins(lines("Jan 13 10:30:45 host sshd[1]: Invalid user a from 1.2.3.4")) == []


def test_five_hundred_injections_blame_nobody_else():
    """Names an attacker chooses, in every rule that blames an address."""
    chance = random.Random(3)
    true, false = "203.0.113.7", "8.8.8.8"
    parts = ["root", " ", f" from {false}", f" {false}", " port 22", " ssh2", " [preauth]", "\\n",
             f": RSA SHA256:abc ID x from {false} port 1 ssh2", f" rhost={false} ", "user=",
             "]: ", f" not allowed because x from {false}", '"', "invalid user ", "é", "\\",
             f" {false} port 1: Too many authentication failures [preauth]", f"::ffff:{false}",
             f'", client host "{false}', "message repeated 2 times: [ ", "]"]  # fmt: skip
    known = [r for r in RULES if r.pattern and {"src", "user"} <= r.pattern.numbers.keys()]
    wrong = seen = 0
    for number in range(max(500, 8 * len(known))):
        rule = known[number % len(known)]
        sample = chance.choice([m for m in rule.rule.match if m.src == true] or rule.rule.match)
        name = "".join(chance.choices(parts, k=chance.randint(1, 6)))
        user = re.escape(sample.user) if sample.user else "(?<=user )"
        message = re.sub(user, lambda _, name=name: name, sample.message, count=1)
        (text, *_) = written(rule, message, sample.program)
        own = Syslog() if rule.rule.programs or rule.of.programs else App()
        for event in Login().inspect(lines(text, format=own)):
            seen += 1
            right = addresses.normalise(sample.src) or true
            wrong += event.details.get("ip", right) != right
    assert (wrong, seen > 300) == (0, True)


def test_labelled_lines_of_others(corpora):
    """Every labelled failed SSH login that names a user is found with exactly its address."""
    found, missed = 0, []
    for raw in (corpora / "logs/crowdsec/lines.jsonl").read_text().splitlines():
        case = json.loads(raw)
        if case["service"] != "ssh" or case["category"] != "failed-login":
            continue
        events = list(Login().inspect(lines(case["input"], format=Syslog())))
        if [event.details.get("ip") for event in events] == case["src_ips"]:
            found += 1
        else:
            missed.append(case["input"])
    no_user = ("Magic value check failed", "Connection closed by 118")
    assert [line for line in missed if not any(text in line for text in no_user)] == []
    assert found >= 23


SERVICES = [  # that somebody will look for first
    "sshd", "pam", "su", "sudo", "login", "ftp", "vsftpd", "pureftpd", "proftpd", "dovecot",
    "postfix", "exim", "http", "web", "mysql", "postgresql", "redis", "mongodb", "wordpress",
    "phpmyadmin", "roundcube", "openvpn", "asterisk", "vnc", "windows", "aws", "kubernetes",
    "couchdb", "keycloak", "jellyfin", "gitea", "strongswan", "slapd", "samba", "nextcloud",
    "authelia",
]  # fmt: skip


def test_services_that_logins_are_known_of():
    known = {rule.service for rule in RULES} | {rule.rule.id.partition("-")[0] for rule in RULES}
    assert [name for name in SERVICES if name not in known] == []


def test_names_of_rules_are_their_own():
    names = [rule.name for rule in RULES]
    assert sorted(names) == sorted(set(names))


def test_text_of_other_programs_is_no_login():
    """What a service writes, inside of a line of somebody else's: a path, an agent, a message."""
    wrong = []
    for rule in RULES:
        if rule.pattern is None or rule.by_record:
            continue
        for example in rule.rule.match:
            text = example.message
            quoted = text.replace("\\", "\\\\").replace('"', '\\"')
            inside = [
                f"Jan 13 10:30:45 gate other[1]: {text}",
                f"Jan 13 10:30:45 gate other[1]: said {text}",
                f"2025-01-13 10:30:45 INFO [app] user wrote {text}",
                f"2025-01-13T10:30:45Z INFO user={text}",
            ]
            wrong += [
                (rule.name, line)
                for line in inside
                for format in (Syslog(), App())
                if logins(lines(line, format=format))
            ]
            request = (
                f'198.51.100.9 - - [13/Jan/2025:10:30:45 +0000] "GET /{quoted} HTTP/1.1" 404 1'
            )
            line = f'{request} "{quoted}" "{quoted}"'
            wrong += [(rule.name, line) for _ in logins(lines(line, format=Nginx()))]
            wrong += [(rule.name, line) for _ in logins(lines(line, format=App()))]
    assert wrong == []


def test_no_pattern_grows_faster_than_linearly():
    """Hostile text: what an example says, again and again, in place of the user or as a tail."""
    slow = []
    for rule in RULES:
        if rule.pattern is None:
            continue
        sample = rule.rule.match[0].message.encode()
        user = rule.rule.match[0].user.encode() or sample[-1:]
        for piece in (sample, b"a ", b" from 8.8.8.8", b"((([[[<", b"1.1:"):
            for _ in range(3):  # somebody else may have had the processor
                times = [_seconds(rule, sample, user, piece, size) for size in (8_000, 32_000)]
                if times[1] <= 12 * times[0] + 0.002:
                    break
            else:
                slow.append((rule.name, piece, times))
    assert slow == []


def _seconds(rule, sample, user, piece, size) -> float:
    """The least of three times that a pattern takes for text of a size, in seconds."""
    filled = (piece * (size // len(piece) + 1))[:size]
    texts = (sample.replace(user, filled, 1), sample + filled, filled)
    best = 1.0
    for _ in range(3):
        start = time.perf_counter()
        for one in texts:
            rule.pattern.spans(one)
        best = min(best, time.perf_counter() - start)
    return best


def test_long_names_are_cut_and_stay_different():
    one, other = (text(b"x" * 60_000 + end) for end in (b"a", b"b"))
    assert one != other
    assert max(len(one), len(other)) < 300
    assert source(b"y" * 60_000)[:2] == ("", text(b"y" * 60_000))
