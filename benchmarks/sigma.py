"""How fast records are held against Sigma rules: one core, decoding and correlations included.

    MLIDS_CORPORA=… python -m benchmarks.sigma [records of each kind]

The rules are those of the corpus; the records are an ordinary day of six kinds of logs, in chunks
as monitors give them.
"""

from __future__ import annotations

import gc
import os
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

NEEDED = 30_000  # events/s with 464 rules
COUNT = 30_000
CHUNK = 5_000
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0",
    "curl/8.5.0",
)
PATHS = ("/", "/static/app.{}.js", "/api/v1/users/{}?fields=name", "/images/{}.png", "/search?q={}")
SYSLOG = (
    "sshd[{}]: Accepted publickey for deploy from 192.0.2.{} port 50{} ssh2",
    "CRON[{}]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)",
    "systemd[{}]: Started Session c1 of user deploy.",
    "sudo[{}]:   deploy : TTY=pts/0 ; PWD=/srv ; USER=root ; COMMAND=/usr/bin/systemctl restart nginx",
)
COMMANDS = (
    ("ls", "-l"),
    ("python3", "-m", "app"),
    ("grep", "-r", "foo", "/srv/www"),
    ("git", "log"),
)
CALLS = (
    ("ec2", "DescribeInstances"),
    ("s3", "GetObject"),
    ("sts", "AssumeRole"),
    ("iam", "GetUser"),
)


def _nginx(chance: random.Random, n: int) -> list[str]:
    target = chance.choice(PATHS).format(chance.randrange(9999))
    return [
        f"198.51.100.{n % 250} - - [13/Jan/2025:10:{n // 60 % 60:02d}:{n % 60:02d} +0000]"
        f' "GET {target} HTTP/1.1" {chance.choice((200, 304, 404))} {n}'
        f' "https://example.org/" "{chance.choice(AGENTS)}"'
    ]


def _auth(chance: random.Random, n: int) -> list[str]:
    text = chance.choice(SYSLOG).format(n, n % 250, n % 90)
    return [f"Jan 13 10:{n // 60 % 60:02d}:{n % 60:02d} web1 {text}"]


def _audit(chance: random.Random, n: int) -> list[str]:
    at = f"msg=audit({1736764245 + n // 500}.{n % 1000:03d}:{n})"
    words = chance.choice(COMMANDS)
    arguments = " ".join(f'a{at}="{word}"' for at, word in enumerate(words))
    return [
        f"type=SYSCALL {at}: arch=c000003e syscall=59 success=yes exit=0 a0=55d a1=55e a2=55f a3=8"
        f" items=2 ppid=900 pid={1000 + n} auid=1000 uid=1000 gid=1000 euid=1000 tty=pts0 ses=3"
        f' comm="{words[0]}" exe="/usr/bin/{words[0]}" subj=unconfined key="exec"',
        f"type=EXECVE {at}: argc={len(words)} {arguments}",
        f'type=CWD {at}: cwd="/home/deploy"',
        f'type=PATH {at}: item=0 name="/usr/bin/{words[0]}" inode=1 mode=0100755 nametype=NORMAL',
        f"type=PROCTITLE {at}: proctitle={' '.join(words).encode().hex().upper()}",
    ]


def _cloudtrail(chance: random.Random, n: int) -> list[str]:
    service, call = chance.choice(CALLS)
    return [
        '{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::123456789012:'
        'user/deploy","userName":"deploy"},"eventTime":"2025-01-13T10:30:45Z","eventSource":'
        f'"{service}.amazonaws.com","eventName":"{call}","awsRegion":"eu-central-1",'
        f'"sourceIPAddress":"198.51.100.{n % 250}","userAgent":"aws-cli/2.15","requestParameters":'
        f'{{"name":"x{n}"}},"responseElements":null,"eventID":"{n}","eventType":"AwsApiCall"}}'
    ]


def _zeek(chance: random.Random, n: int) -> list[str]:
    return [
        f'{{"_path":"dns","ts":1736764245.{n},"uid":"C{n}","id.orig_h":"10.0.0.{n % 250}",'
        f'"id.orig_p":{n % 60000},"id.resp_h":"10.0.0.1","id.resp_p":53,"proto":"udp",'
        f'"query":"host{chance.randrange(999)}.example.org","qtype_name":"A","Z":0,'
        '"answers":["192.0.2.7"],"rejected":false}'
    ]


def _k8s(chance: random.Random, n: int) -> list[str]:
    verb = chance.choice(("get", "list", "watch", "patch"))
    return [
        '{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","stage":'
        f'"ResponseComplete","requestURI":"/api/v1/namespaces/web/pods/web-{n}","verb":"{verb}",'
        '"user":{"username":"system:serviceaccount:web:deploy"},"sourceIPs":["10.0.0.5"],'
        f'"userAgent":"kubelet","objectRef":{{"resource":"pods","namespace":"web","name":"web-{n}"}},'
        '"responseStatus":{"code":200},"stageTimestamp":"2025-01-13T10:30:45.1Z"}'
    ]


KINDS: dict[str, Callable[[random.Random, int], list[str]]] = {
    "nginx": _nginx,
    "auth": _auth,
    "auditd": _audit,
    "cloudtrail": _cloudtrail,
    "zeek": _zeek,
    "k8s_audit": _k8s,
}


def measured(rules: str, count: int) -> Iterator[tuple[str, float, int]]:
    """Kind of log, lines a second, matches."""
    from mlids import registry
    from mlids.detectors.sigma import Sigma
    from mlids.testing import lines

    gc.set_threshold(100_000, 50, 50)  # as a scan has it
    for name, make in KINDS.items():
        chance = random.Random(7)
        texts: list[str] = []
        while len(texts) < count:
            texts += make(chance, len(texts))
        form: Any = registry.plugin("formats", name)()
        batches = [
            lines(*texts[at : at + CHUNK], format=form, source=f"{name}.log")
            for at in range(0, len(texts), CHUNK)
        ]
        best, said = 0.0, 0
        for _ in range(3):
            for batch in batches:
                batch.memo.clear()
            detector = Sigma(rules=[rules])
            list(detector.inspect(batches[0].take(slice(0, 10))))  # rules are bound then
            began = time.process_time()
            found = [event for batch in batches for event in detector.inspect(batch)]
            best = max(best, len(texts) / (time.process_time() - began))
            said = len(found)
        yield name, best, said


def sigma(count: int = COUNT) -> Iterable[dict[str, Any]]:
    """The figures, one a kind of log, and all kinds in equal parts."""
    folder = Path(os.environ.get("MLIDS_CORPORA", "/nowhere")) / "sigma"
    if not folder.is_dir():
        note = "MLIDS_CORPORA is not set"
        yield {"what": "464 Sigma rules", "figure": "-", "reach": f"≥ {NEEDED:,}", "note": note}
        return
    rates = []
    for name, rate, said in measured(str(folder), count):
        rates.append(rate)
        yield {
            "what": f"464 Sigma rules, {name}",
            "figure": f"{rate:,.0f} lines/s",
            "reach": "",
            "note": f"one core; {said:,} events",
        }
    mixed = len(rates) / sum(1 / rate for rate in rates)
    yield {
        "what": "464 Sigma rules, all kinds in equal parts",
        "figure": f"{mixed:,.0f} lines/s",
        "reach": f"≥ {NEEDED:,}",
        "note": "one core",
        "ok": mixed >= NEEDED,
    }


if __name__ == "__main__":
    for row in sigma(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT):
        print(f"{row['what']:<45}{row['figure']:>20}  {row['reach']:<10} {row['note']}")
