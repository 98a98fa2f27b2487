"""Logins out of log lines: one record for each line that tells of a login, parsed once a batch.

Several lines may tell of one attempt; `attempts` counts them.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple, cast

from mlids import addresses
from mlids.batches import LineBatch
from mlids.signatures.rules import LoginRule
from mlids.signatures.search import MOST_REPEATS, Hit, hits

LONGEST = 256  # bytes of a name that are kept: attackers send some of 64 KiB, which fill tables


class Login(NamedTuple):
    """What one line tells of a login."""

    row: int  # of the line in its batch
    time_ns: int
    outcome: str  # failure, success; address: neither, see sessions
    user: str
    src: str  # address, normalised; "" where none is told or believed
    peer: str  # a host name where that stands in place of an address
    port: int  # of the client; 0 unknown
    method: str
    service: str
    exists: bool | None  # whether the user exists; None unknown
    rule: str  # <service>-<id>
    sign: str  # what kind of line it is (see attempts)
    times: int  # how many attempts the line stands for
    machine: str  # host that wrote the line
    pid: str
    group: str = ""  # services whose lines tell of the same attempts
    session: str = ""  # what the service numbers its session by (see sessions)


def logins(batch: LineBatch, folders: tuple[str, ...] = ()) -> list[Login]:
    """The logins that the lines of a batch tell of, in their order; kept in the batch's memo.

    folders: of rules beside those that MLIDS ships.
    """
    key = f"logins {folders}"
    if key not in batch.memo:
        found = told(batch, folders)
        batch.memo[key] = [login for login in found if login.outcome != "address"]
    known: list[Login] = batch.memo[key]
    return known


def told(batch: LineBatch, folders: tuple[str, ...] = ()) -> list[Login]:
    """The same, with the lines between that only tell where a session comes from."""
    key = _key(folders)
    if key not in batch.memo:
        found = hits(batch, folders)
        batch.memo[key] = [_login(hit) for hit in found if hit.rule.kind == "login"]
    known: list[Login] = batch.memo[key]
    return known


def remember(batch: LineBatch, folders: tuple[str, ...], found: list[Login]) -> None:
    """Give a batch the logins that its lines told of when they were read: the lines may be gone."""
    batch.memo[_key(folders)] = found


def _key(folders: tuple[str, ...]) -> str:
    return f"logins and sessions {folders}"


def _login(hit: Hit) -> Login:
    rule, values = hit.rule, hit.values
    named = cast(LoginRule, rule.rule)
    src = values.get("src") or (None if rule.tells_source else hit.src)
    address, peer, port = source(src) if src else ("", "", 0)
    if "port" in values:
        port = _number(values["port"], 65_535) or port
    times = hit.times
    if "count" in values or times > 1:
        times = min(times * (_number(values.get("count"), MOST_REPEATS) or 1), MOST_REPEATS)
    return Login(
        hit.row,
        hit.time_ns,
        named.outcome,
        text(values["user"]) if "user" in values else named.user,
        address,
        peer,
        port,
        text(values["method"]) if "method" in values else named.method,
        rule.service,
        False if values.get("invalid") else named.exists,
        rule.name,
        named.sign,
        times,
        text(hit.host),
        text(hit.pid),
        rule.of.group,
        text(values["session"]) if "session" in values else "",
    )


def _number(raw: bytes | None, most: int) -> int:
    """A number of a line, at most `most`; 0 where there is none."""
    return min(int(raw), most) if raw and len(raw) < 10 and raw.isdigit() else 0


def source(raw: bytes) -> tuple[str, str, int]:
    """An address, or the name that stands in its place, and the port behind it (0: none)."""
    return _source(raw) if len(raw) <= LONGEST else ("", text(raw), 0)


@lru_cache(maxsize=65536)
def _source(raw: bytes) -> tuple[str, str, int]:
    name = raw.decode("utf-8", "backslashreplace")
    if address := addresses.normalise(name):
        return address, "", 0
    host, colon, port = name.rpartition(":")
    if colon and port.isdecimal() and (address := addresses.normalise(host.strip("[]"))):
        return address, "", int(port) if len(port) < 6 else 0
    if address := addresses.normalise(name.strip("[]")):
        return address, "", 0
    return "", "" if name in ("UNKNOWN", "unknown", "-") else name, 0


def text(raw: bytes | None) -> str:
    """Bytes of a line as text that can be shown; of a long one its beginning, and what it was."""
    if not raw:
        return ""
    if len(raw) <= LONGEST:
        return _text(raw)
    digest = blake2b(raw, digest_size=8).hexdigest()
    return f"{_text(raw[: LONGEST // 2])}… ({len(raw)} bytes, {digest})"


@lru_cache(maxsize=16384)
def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
