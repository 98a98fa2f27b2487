r"""Log lines as honest programs write them, with what an attacker chose put where he may choose it.

Every line tells the true address `TRUE`. A ``§`` in a line is a field that an attacker chooses;
each program spells it in its own way.
"""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mlids import assembly
from mlids.batches import Detector, LineBatch, LogFormat
from mlids.config import ConfigManager
from mlids.signatures.examples import lines as example_lines
from mlids.signatures.library import library

TRUE = "203.0.113.7"
FIELD = "§"
HEAD = "Jan 13 10:30:45 gate "
CONFIG = r"""
monitors: {logs: {timezone: UTC}}
detectors: {sigma: {rules: ['%s']}}
monitoring:
  app_log_patterns:
    - {name: shop, pattern: '^order refused for (?P<user>[^ ]+) by (?P<ip>[0-9.]+)$', severity: HIGH}
    - {name: many, pattern: 'order (?P<what>\w+)', threshold: 3, window_s: 60}
    - {name: slow, pattern: '(?P<a>a+)(?=b)', severity: LOW}
"""


@functools.cache
def settings() -> Any:
    """The default settings, with rules of Sigma's and patterns of one's own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.yaml")
        path.write_text(CONFIG % Path(__file__).with_name("lines_sigma.yaml"))
        return ConfigManager(path, environment={}).settings


def detectors() -> list[Detector[Any]]:
    """Fresh ones, all that there are for lines."""
    return list(assembly.detectors(settings(), LineBatch).values())


@functools.cache
def names() -> tuple[str, ...]:
    """Of all formats."""
    return assembly.formats(settings()).names


def form(name: str) -> LogFormat:
    """A fresh format."""
    return assembly.formats(settings()).made(name)


# -- how programs spell what they were given


def raw(text: str) -> str:
    """As syslog daemons write messages: control characters in octal."""
    return "".join(f"#{ord(c):03o}" if ord(c) < 32 or ord(c) == 127 else c for c in text)


def nginx(text: str) -> str:
    """nginx's `escape=default`."""
    return _hexed(text, '"\\', "\\x%02X")


def apache(text: str) -> str:
    """Apache's `%r`, `%{…}i` and texts of its error log."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return _hexed(text, "", "\\x%02x")


def haproxy(text: str) -> str:
    """HAProxy's requests."""
    return _hexed(text, '"', "#%02X")


def captured(text: str) -> str:
    """HAProxy's captured headers."""
    return _hexed(text, '"{}|', "#%02X")


def _hexed(text: str, marks: str, spelt: str) -> str:
    octets = text.encode("utf-8", "surrogatepass")
    return "".join(spelt % o if o < 32 or o > 126 or chr(o) in marks else chr(o) for o in octets)


def quoted(text: str) -> str:
    """Inside a string of JSON, and of Go's."""
    return json.dumps(text)[1:-1]


def iis(text: str) -> str:
    """IIS: a blank ends a field."""
    return raw(text).replace(" ", "+")


def tabbed(text: str) -> str:
    """Zeek's tables."""
    return _hexed(text.replace("\\", "\\\\"), "", "\\x%02x")


def cef(text: str) -> str:
    """A value of CEF's extension."""
    text = text.replace("\\", "\\\\").replace("=", "\\=")
    return text.replace("\n", "\\n").replace("\r", "\\r")


def sloppy(text: str) -> str:
    """A value of CEF of a device that only takes out line ends."""
    return raw(text)


def audited(text: str) -> str:
    """libaudit's untrusted strings: in quotes, or in hexadecimal."""
    octets = text.encode("utf-8", "surrogatepass")
    odd = any(o == 0x22 or o < 0x21 or o == 0x7F for o in octets)
    return octets.hex().upper() if odd else f'"{text}"'


class Writer(NamedTuple):
    """What writes a kind of line. tail: an attack that makes a detector look at it."""

    format: str
    template: str
    spelt: Callable[[str], str]
    tail: str = ""

    def lines(self, text: str) -> Iterator[bytes]:
        """The line with this text in each of its fields, the others harmless, and in all."""
        parts = self.template.split(FIELD)
        count = len(parts) - 1
        chosen = [{at} for at in range(count)] + ([set(range(count))] if count != 1 else [])
        for which in chosen:
            values = [text + self.tail if n in which else "x" for n in range(count)]
            spelt = [self.spelt(value) for value in values] + [""]
            line = "".join(a + b for a, b in zip(parts, spelt, strict=True))
            yield line.encode("utf-8", "surrogateescape")


def _json(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False)


WEB = " ' or 1=1-- -<script>alert(1)</script>../../../etc/passwd;cat /etc/passwd"
SYSLOG = (
    "sshd[43]: Invalid user § from 203.0.113.7 port 4711",
    "sshd[43]: Failed password for invalid user § from 203.0.113.7 port 4711 ssh2",
    "sshd[43]: User § from 203.0.113.7 not allowed because not listed in AllowUsers",
    "sshd[43]: Connection closed by invalid user § 203.0.113.7 port 4711 [preauth]",
    "sshd[43]: Disconnected from invalid user § 203.0.113.7 port 4711 [preauth]",
    "sshd[43]: Received disconnect from 203.0.113.7 port 4711:11: § [preauth]",
    "sshd[43]: Bad protocol version identification '§' from 203.0.113.7 port 4711",
    "sshd[43]: banner exchange: Connection from 203.0.113.7 port 4711: invalid format",
    "sshd[43]: error: PAM: Authentication failure for illegal user § from 203.0.113.7",
    "sshd[43]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser="
    " rhost=203.0.113.7  user=§",
    "sudo:     eve : TTY=pts/0 ; PWD=/home/§ ; USER=root ; COMMAND=/bin/echo § 203.0.113.7",
    "su[7]: FAILED SU (to §) eve on pts/0 from 203.0.113.7",
    "dovecot: imap-login: Disconnected (auth failed, 3 attempts in 5 secs): user=<§>, method=PLAIN,"
    " rip=203.0.113.7, lip=192.0.2.1, TLS, session=<a>",
    "postfix/smtpd[9]: NOQUEUE: reject: RCPT from mail.example[203.0.113.7]: 554 5.7.1 <§>: Relay"
    " access denied; from=<§> to=<§> proto=ESMTP helo=<§>",
    "postfix/smtpd[9]: warning: mail.example[203.0.113.7]: SASL LOGIN authentication failed: §",
    "proftpd[5]: gate (mail.example[203.0.113.7]) - USER §: no such user found from mail.example"
    " [203.0.113.7] to 192.0.2.1:21",
    "named[8]: client @0x7f 203.0.113.7#4711 (§): query (cache) '§/ANY/IN' denied",
    "shop[7]: client 203.0.113.7 asked for §",
    "shop[7]: order refused for § by 203.0.113.7",
    "nginx: 203.0.113.7 - § [13/Jan/2025:10:30:45 +0000] \"GET /§ HTTP/1.1\" 401 5 \"§\" \"§\"",
)  # fmt: skip
ACCESS = '203.0.113.7 - § [13/Jan/2025:10:30:45 +0000] "GET /§ HTTP/1.1" 404 5 "§" "§"'
NGINX_ERROR = (
    '2025/01/13 10:30:45 [error] 12#34: *5 open() "/srv/§" failed (2: No such file or directory),'
    ' client: 203.0.113.7, server: web.example, request: "GET /§ HTTP/1.1", host: "§", referrer: "§"'
)
MODSECURITY = (
    "2025/01/13 10:30:45 [error] 12#34: *5 ModSecurity: Access denied with code 403 (phase 2)."
    ' Matched "x" (Value: `§\' ) [id "942100"] [msg "§"] [severity "2"] [uri "§"],'
    ' client: 203.0.113.7, server: web.example, request: "GET /§ HTTP/1.1", host: "web.example"'
)
USER_ERROR = (
    '2025/01/13 10:30:45 [error] 12#34: *5 user "§" was not found in "/etc/htpasswd",'
    ' client: 203.0.113.7, server: web.example, request: "GET /§ HTTP/1.1", host: "web.example"'
)
APACHE_ERROR = (
    "[Mon Jan 13 10:30:45.428126 2025] [auth_basic:error] [pid 117:tid 139] [client 203.0.113.7:4711]"
    " AH01618: user § not found: /§, referer: §"
)
APACHE_WAF = (
    "[Mon Jan 13 10:30:45.428126 2025] [security2:error] [pid 1:tid 1] [client 203.0.113.7:4711]"
    ' ModSecurity: Warning. Matched "§" [id "942100"] [msg "§"] [severity "CRITICAL"] [uri "§"]'
)
HAPROXY = (
    "Jan 13 10:30:45 gate haproxy[7]: 203.0.113.7:4711 [13/Jan/2025:10:30:45.655] web app/s1"
    " 10/0/30/69/109 404 2750 - - ---- 1/1/1/1/0 0/0 "
)
JSON = {
    "nginx": {
        "time_iso8601": "2025-01-13T10:30:45+00:00", "remote_addr": TRUE, "remote_user": "§",
        "request": "GET /§ HTTP/1.1", "status": "404", "body_bytes_sent": "5",
        "http_referer": "§", "http_user_agent": "§", "http_x_forwarded_for": "§", "host": "§",
    },
    "caddy": {
        "level": "info", "ts": 1736764245.5, "logger": "http.log.access", "msg": "handled request",
        "request": {
            "remote_ip": TRUE, "remote_port": "4711", "client_ip": TRUE, "method": "GET",
            "host": "§", "uri": "/§", "headers": {
                "User-Agent": ["§"], "Referer": ["§"], "X-Forwarded-For": ["§"], "Cookie": ["§"],
            },
        },
        "user_id": "§", "status": 404, "size": 5,
    },
    "traefik": {
        "ClientAddr": TRUE + ":4711", "ClientHost": TRUE, "ClientUsername": "§",
        "DownstreamContentSize": 5, "DownstreamStatus": 404, "RequestMethod": "GET",
        "RequestPath": "/§", "RequestHost": "§", "StartUTC": "2025-01-13T10:30:45.5Z",
        "request_User-Agent": "§", "request_X-Real-Ip": "§", "request_X-Forwarded-For": "§",
    },
    "app": {
        "timestamp": "2025-01-13T10:30:45Z", "level": "warn", "msg": "login failed for §", "ip": TRUE,
        "user": "§", "body": {"remote_addr": "§", "ip": "§"}, "x_forwarded_for": "§",
        "headers": {"client": "§", "remote_addr": "§"},
    },
    "logged": {"log": "sshd[1]: §", "remote_addr": TRUE, "message": "§", "status": 401},
}  # fmt: skip
EVE = {
    "timestamp": "2025-01-13T10:30:45.123456+0000", "flow_id": 1, "event_type": "http",
    "src_ip": TRUE, "src_port": 4711, "dest_ip": "192.0.2.1", "dest_port": 80, "proto": "TCP",
    "http": {"hostname": "§", "url": "/§", "http_user_agent": "§", "http_method": "GET", "xff": "§",
             "http_refer": "§", "status": 404, "length": 5},
}  # fmt: skip
ALERT = {
    "action": "allowed",
    "gid": 1,
    "signature_id": 7,
    "signature": "a probe",
    "severity": 1,
    "category": "Attempted Recon",
}
ZEEK = {
    "_path": "http", "ts": 1736764245.5, "uid": "Cabcdefgh1", "id.orig_h": TRUE, "id.orig_p": 4711,
    "id.resp_h": "192.0.2.1", "id.resp_p": 80, "method": "GET", "uri": "/§", "status_code": 404,
    "user_agent": "§", "referrer": "§", "host": "§", "username": "§", "response_body_len": 5,
    "proxied": ["X-FORWARDED-FOR -> §"],
}  # fmt: skip
NOTICE = {
    "_path": "notice",
    "ts": 1736764245.5,
    "note": "HTTP::SQL_Injection_Attacker",
    "msg": "§",
    "sub": "§",
    "src": TRUE,
    "actions": ["Notice::ACTION_LOG"],
}
TABLE = (
    "1736764245.500000\tCabcdefgh1\t203.0.113.7\t4711\t192.0.2.1\t80\t1\tGET\t§\t/§\t§\t1.1\t§\t-\t0"
    "\t5\t404\tNot Found\t-\t-\t(empty)\t§\t-\t§\t-\t-\t-\t-\t-\t-"
)
K8S = {
    "kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": "a1", "stage": "ResponseComplete",
    "verb": "create", "requestURI": "/api/v1/namespaces/shop/pods/web/exec?command=§",
    "user": {"username": "§", "groups": ["§"]}, "sourceIPs": ["198.51.100.66", TRUE],
    "userAgent": "§", "objectRef": {"resource": "pods", "subresource": "exec", "namespace": "shop",
                                    "name": "§"},
    "requestObject": {"metadata": {"annotations": {"sourceIPs": "§"}}, "spec": {"containers": [
        {"image": "§", "securityContext": {"privileged": True}}]}},
    "responseStatus": {"code": 201, "message": "§"}, "stageTimestamp": "2025-01-13T10:30:45.1Z",
}  # fmt: skip
TRAIL = {
    "eventVersion": "1.08", "eventTime": "2025-01-13T10:30:45Z", "eventName": "ConsoleLogin",
    "eventSource": "signin.amazonaws.com", "awsRegion": "eu-west-1", "userAgent": "§",
    "userIdentity": {"type": "IAMUser", "userName": "§"}, "sourceIPAddress": TRUE,
    "requestParameters": {"sourceIPAddress": "§", "name": "§"}, "errorMessage": "§",
    "responseElements": {"ConsoleLogin": "Failure"},
}  # fmt: skip
FALCO = {
    "hostname": "n1", "output": "a shell by §", "priority": "Critical", "rule": "Shell",
    "time": "2025-01-13T10:30:45.0Z", "source": "syscall", "tags": ["T1059"],
    "output_fields": {"user.name": "§", "proc.cmdline": "sh -c §", "proc.name": "§",
                      "fd.name": "§", "evt.type": "accept", "fd.cip": TRUE},
}  # fmt: skip
GATEKEEPER = {
    "level": "info", "ts": 1736764245.0, "msg": "§ 203.0.113.7", "process": "admission",
    "event_type": "violation", "constraint_kind": "K8sPSPPrivilegedContainer",
    "constraint_name": "c", "constraint_action": "deny", "resource_kind": "Pod",
    "resource_namespace": "§", "resource_name": "§", "request_username": "§",
}  # fmt: skip
AUDIT = (
    "type=USER_LOGIN msg=audit(1736764245.000:42): pid=7 uid=0 auid=4294967295 ses=4294967295"
    ' msg=\'op=login acct=§ exe="/usr/sbin/sshd" hostname=? addr=203.0.113.7 terminal=ssh'
    " res=failed'"
)
EXECVE = (
    "type=SYSCALL msg=audit(1736764245.000:43): arch=c000003e syscall=59 success=yes exit=0 a0=1 a1=2"
    " a2=3 a3=4 items=2 ppid=1 pid=7 auid=1000 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0"
    ' tty=(none) ses=1 comm=§ exe=§ key="x" addr=203.0.113.7'
)
CEF = (
    "CEF:0|Maker|Wall|1.0|100|a login failed|9|src=203.0.113.7 spt=4711 duser=§ outcome=Failure"
    " request=https://web.example/§ requestMethod=GET requestClientApplication=§ msg=§"
    " rt=1736764245500"
)
CEF_LAST = "CEF:0|Maker|Wall|1.0|100|login failed|9|duser=§ outcome=failure msg=§ src=203.0.113.7"
LOGFMT = (
    'time="2025-01-13T10:30:45Z" level=warning msg="login failed for §" ip=203.0.113.7 user="§"'
    ' method=GET path="/§" status=401 userAgent="§" referer="§" x_forwarded_for="§"'
)
IIS = "2025-01-13 10:30:45 10.0.0.1 GET /§ § 80 § 203.0.113.7 § § 404 0 2 15"
ALB = (
    "https 2025-01-13T10:30:45.186641Z app/lb/50dc6c495c0c9188 203.0.113.7:44740 10.0.0.1:80 0.086"
    ' 0.048 0.037 404 404 0 57 "GET https://web.example:443/§ HTTP/1.1" "§"'
    ' ECDHE-RSA TLSv1.2 arn:aws:x "Root=1-5" "§" "-" 0 2025-01-13T10:30:45Z "forward" "-"'
)
ZORAXY = (
    "2025/01/13 10:30:45 [2025-01-13 10:30:45.417736] [router:host-http] [origin:web.example]"
    " [client: 203.0.113.7] [useragent: §] GET /§ 404"
)
KERNEL = (
    "Jan 13 10:30:45 gate kernel: [ 12.345678] [UFW BLOCK] IN=eth0 OUT= MAC=aa SRC=203.0.113.7"
    " DST=192.0.2.1 LEN=44 TTL=43 ID=1 PROTO=TCP SPT=5222 DPT=80 WINDOW=1024 RES=0x00 SYN URGP=0"
)
APP = "[2025-01-13 10:30:45 +00:00] [WRN] login of § from 203.0.113.7 failed: §"


def _writers() -> Iterator[Writer]:
    for text in SYSLOG:
        yield Writer("syslog", HEAD + text, raw)
        yield Writer("auth", "2025-01-13T10:30:45.000001+00:00 gate " + text, raw)
        tag, _, message = text.partition(": ")
        program, _, pid = tag.rstrip("]").partition("[")
        structured = f"<34>1 2025-01-13T10:30:45Z gate {program} {pid or '-'} - - {message}"
        yield Writer("syslog", structured, raw)
    for line in (
        ACCESS,
        "web.example:80 " + ACCESS,
        "198.51.100.66:80 " + ACCESS,
        HEAD + "web: " + ACCESS,
    ):
        yield Writer("nginx", line, nginx, WEB)
        yield Writer("apache", line, apache, WEB)
    for line in (NGINX_ERROR, MODSECURITY, USER_ERROR):
        yield Writer("error_log", line, raw, WEB)
    for line in (APACHE_ERROR, APACHE_WAF):
        yield Writer("error_log", line, apache, WEB)
    yield Writer("haproxy", HAPROXY + '"GET /§ HTTP/1.1"', haproxy, WEB)
    yield Writer("haproxy", HAPROXY + '{§|§} {} "GET / HTTP/1.1"', captured, WEB)
    for record in JSON.values():
        yield Writer("json_lines", _json(record), quoted, WEB)
    yield Writer("eve", _json(EVE), quoted, WEB)
    yield Writer("eve", _json({**EVE, "event_type": "alert", "alert": ALERT}), quoted, WEB)
    yield Writer("zeek", _json(ZEEK), quoted, WEB)
    yield Writer("zeek", _json(NOTICE), quoted, WEB)
    yield Writer("zeek", TABLE, tabbed, WEB)
    yield Writer("k8s_audit", _json(K8S), quoted)
    yield Writer("k8s_audit", _json({**K8S, "responseStatus": {"code": 401}}), quoted)
    yield Writer("cloudtrail", _json(TRAIL), quoted)
    yield Writer("cloudtrail", _json({**TRAIL, "eventName": "StopLogging"}), quoted)
    yield Writer("falco", _json(FALCO), quoted)
    yield Writer("falco", HEAD + "falco: " + _json(FALCO), quoted)
    yield Writer("gatekeeper", _json(GATEKEEPER), quoted)
    for line in (AUDIT, AUDIT.replace("USER_LOGIN", "USER_AUTH").replace("/sshd", "/su"), EXECVE):
        yield Writer("auditd", line, audited)
        yield Writer("auditd", HEAD + "audispd: " + line, audited)
    for line in (CEF, HEAD + CEF, CEF_LAST):
        yield Writer("cef", line, cef, WEB)
        yield Writer("cef", line, sloppy, WEB)
    yield Writer("logfmt", LOGFMT, quoted, WEB)
    yield Writer("iis", IIS, iis, WEB)
    yield Writer("aws_alb", ALB, apache, WEB)
    yield Writer("zoraxy", ZORAXY, raw, WEB)
    yield Writer("kernel", KERNEL, raw)
    yield Writer("kernel", HEAD + "shop[7]: 203.0.113.7 says §", raw)
    yield Writer("app", APP, raw)
    yield Writer("app", ACCESS, raw, WEB)
    # What stands in a file among other lines.
    for name in ("json_lines", "eve", "falco", "k8s_audit", "cloudtrail", "gatekeeper", "zeek"):
        yield Writer(name, "2025-01-13T10:30:45Z WARN 203.0.113.7 sent §", raw)


WRITERS = tuple(_writers())


def seeds() -> list[tuple[str, bytes]]:
    """Lines to begin with, and the formats that they are of: those above, and examples of rules."""
    made = [(one.format, line) for one in WRITERS for line in one.lines("eve")]
    for rule in library().rules:
        names_of = sorted(rule.formats) or ["syslog", "app"]
        for example in rule.rule.match:
            for line in example_lines(rule, example.message, example.program):
                made += [(name, line) for name in names_of]
    return list(dict.fromkeys(made))
