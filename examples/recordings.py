"""Makes three small recordings with an attack each in ordinary traffic.

    python examples/recordings.py FOLDER

`office.pcap`: people browse and resolve names while 203.0.113.9 scans a server.
`auth.log`: a day of logins in which 203.0.113.66 guesses passwords until one is right.
`access.log`: an hour of a shop in which 203.0.113.77 looks for pages that are not there, and then
tries to talk to the database.
The same input gives the same bytes; all addresses are from the ranges for documentation.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlids.capture.crafting import Frame, ethernet, ip, tcp, udp, write_pcap

BEGIN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
NS = 1_000_000_000
SERVER, RESOLVER, SCANNER, GUESSER = "192.0.2.10", "192.0.2.53", "203.0.113.9", "203.0.113.66"
PROBER = "203.0.113.77"
OPEN_PORTS = {22, 80, 443}
USERS = ("anna", "bashir", "chen", "deploy")


def capture(rng: random.Random) -> list[Frame]:
    """Ten minutes of an office: browsing, name lookups, and one scan of a thousand ports."""
    begin = int(BEGIN.timestamp()) * NS
    frames: list[Frame] = []
    for _ in range(300):
        at = begin + rng.randrange(600 * NS)
        client = f"198.51.100.{rng.randrange(2, 40)}"
        frames += lookup(at, client, rng)
        frames += page(at + 20_000_000, client, rng)
    ports = rng.sample(range(1, 10_000), 997) + sorted(OPEN_PORTS)
    rng.shuffle(ports)
    for n, port in enumerate(ports):
        frames += probe(begin + 240 * NS + n * 5_000_000, port, rng)
    return sorted(frames, key=lambda frame: frame.time_ns)


def packet(at: int, src: str, dst: str, protocol: int, segment: bytes) -> Frame:
    """One Ethernet frame."""
    return Frame(at, ethernet(ip(src, dst, protocol, segment)))


def lookup(at: int, client: str, rng: random.Random) -> Iterator[Frame]:
    """A name is asked for and answered."""
    port = rng.randrange(32768, 61000)
    yield packet(at, client, RESOLVER, 17, udp(port, 53, b"question"))
    yield packet(at + 8_000_000, RESOLVER, client, 17, udp(53, port, b"answer"))


def page(at: int, client: str, rng: random.Random) -> Iterator[Frame]:
    """A TLS connection: handshake, some data each way, a clean end."""
    port = rng.randrange(32768, 61000)
    there, back = (client, SERVER, port, 443), (SERVER, client, 443, port)
    steps = [(there, "S", 0), (back, "SA", 0), (there, "A", 0), (there, "PA", 500)]
    steps += [(back, "A", 1400)] * rng.randrange(2, 9) + [(there, "FA", 0), (back, "FA", 0)]
    for n, ((src, dst, sport, dport), flags, size) in enumerate(steps):
        yield packet(at + n * 3_000_000, src, dst, 6, tcp(sport, dport, flags, payload=b"x" * size))


def probe(at: int, port: int, rng: random.Random) -> Iterator[Frame]:
    """A SYN to one port, and what the server answers."""
    sport = rng.randrange(32768, 61000)
    yield packet(at, SCANNER, SERVER, 6, tcp(sport, port, "S"))
    answer = "SA" if port in OPEN_PORTS else "RA"
    yield packet(at + 400_000, SERVER, SCANNER, 6, tcp(port, sport, answer))
    if port in OPEN_PORTS:
        yield packet(at + 800_000, SCANNER, SERVER, 6, tcp(sport, port, "R"))


def auth_log(rng: random.Random) -> list[str]:
    """A day of sshd, cron and sudo; at noon somebody guesses passwords until one is right."""
    entries: list[tuple[datetime, str]] = []
    for _ in range(400):
        at = BEGIN + timedelta(seconds=rng.randrange(36_000))
        entries += list(ordinary(at, rng))
    at = BEGIN + timedelta(hours=4)
    for n in range(60):
        at += timedelta(seconds=rng.randrange(2, 9))
        user = rng.choice(["root", "admin", "invalid user oracle", "invalid user test"])
        port = rng.randrange(1024, 65000)
        text = f"Failed password for {user} from {GUESSER} port {port} ssh2"
        entries.append((at, f"sshd[{5000 + n}]: {text}"))
    at += timedelta(seconds=7)
    text = f"Accepted password for deploy from {GUESSER} port 51544 ssh2"
    entries.append((at, f"sshd[5070]: {text}"))
    entries.sort()
    return [f"{when:%Y-%m-%dT%H:%M:%S.%f}+00:00 web1 {text}" for when, text in entries]


def ordinary(at: datetime, rng: random.Random) -> Iterator[tuple[datetime, str]]:
    """What a quiet server logs: sessions, jobs, now and then a typing error."""
    user, pid = rng.choice(USERS), rng.randrange(900, 32000)
    address = f"198.51.100.{rng.randrange(2, 40)}"
    port = rng.randrange(32768, 61000)
    match rng.randrange(4):
        case 0:
            yield at, f"CRON[{pid}]: pam_unix(cron:session): session opened for user root(uid=0)"
        case 1:
            yield at, f"sudo: {user} : TTY=pts/0 ; PWD=/srv ; USER=root ; COMMAND=/usr/bin/apt"
        case _:
            if rng.random() < 0.05:
                text = f"Failed password for {user} from {address} port {port} ssh2"
                yield at, f"sshd[{pid}]: {text}"
                at += timedelta(seconds=4)
            text = f"Accepted publickey for {user} from {address} port {port} ssh2"
            yield at, f"sshd[{pid}]: {text}"


def access_log(rng: random.Random) -> list[str]:
    """An hour of a shop's visitors; one of them looks for holes and finds one."""
    asked: list[tuple[datetime, str]] = []
    for _ in range(1500):
        at = BEGIN + timedelta(seconds=rng.randrange(3600))
        path = rng.choice(["/", "/cart", f"/item/{rng.randrange(90)}", "/search?q=blue+shoes"])
        asked.append((at, hit(at, f"198.51.100.{rng.randrange(2, 90)}", path, 200, rng)))
    at = BEGIN + timedelta(minutes=20)
    for name in ("admin", "backup", "test", "old", "db", "shop", "panel", "setup", "dev", "config"):
        at += timedelta(seconds=1)
        asked.append((at, hit(at, PROBER, f"/{name}.php", 404, rng)))
    for value, status in (
        ("1'", 500),
        ("1'+union+select+1,2,3--+", 500),
        ("-1'+union+select+user,password,3+from+users--+", 200),
    ):
        at += timedelta(seconds=9)
        asked.append((at, hit(at, PROBER, f"/item?id={value}", status, rng)))
    asked.sort()
    return [line for _, line in asked]


def hit(at: datetime, client: str, path: str, status: int, rng: random.Random) -> str:
    """One line of an access log in the combined format."""
    return (
        f'{client} - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "GET {path} HTTP/1.1" {status}'
        f' {rng.randrange(900, 9000)} "-" "Mozilla/5.0 (X11; Linux x86_64)"'
    )


def main(folder: Path) -> None:
    """Write the recordings and say so."""
    rng = random.Random(2026)
    folder.mkdir(parents=True, exist_ok=True)
    frames, lines, asked = capture(rng), auth_log(rng), access_log(rng)
    write_pcap(folder / "office.pcap", frames)
    (folder / "auth.log").write_text("\n".join(lines) + "\n")
    (folder / "access.log").write_text("\n".join(asked) + "\n")
    print(
        f"{folder}/office.pcap: {len(frames):,} packets; {folder}/auth.log: {len(lines):,} lines;"
    )
    print(f"{folder}/access.log: {len(asked):,} lines")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "examples/recordings"))
