"""Servers that refuse a login in clear text, by the first bytes of what they answer.

FTP 530 (RFC 959), SMTP 535 (RFC 4954), POP3 -ERR (RFC 1939), IMAP NO (RFC 9051), MySQL error 1045,
PostgreSQL 28P01 and 28000, SMB STATUS_LOGON_FAILURE, and what telnet servers say.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from mlids.capture.headers import number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from mlids.batches import PacketBatch

SERVICES = {
    21: "ftp", 23: "telnet", 25: "smtp", 110: "pop3", 139: "smb", 143: "imap", 445: "smb",
    587: "smtp", 3306: "mysql", 5432: "postgresql",
}  # fmt: skip
TELNET_BYTES = range(10, 200)
LOOKED_AT = 256
MOST = 4096  # answers of a batch that are looked at one by one

_LOGIN = rb"(?i)auth|login|password|passwd|credential|user"
PATTERNS = {
    # Not "530 Please log in with USER and PASS", which answers a command that came too early.
    "ftp": re.compile(rb"(?i)530[ -](?!.*(please log|not logged in|with user and pass|must use))"),
    "smtp": re.compile(rb"535[ -]"),
    "pop3": re.compile(rb"-ERR .*?(" + _LOGIN[4:] + rb")", re.I),
    "imap": re.compile(rb"[A-Za-z0-9.]{1,32} NO .*?(" + _LOGIN[4:] + rb")", re.I),
    "mysql": re.compile(rb"(?s)...[\x00-\xff]\xff\x15\x04"),
    "postgresql": re.compile(rb"(?s)E.{4}.*?C28(P01|000)\0"),
    "smb": re.compile(rb"(?s).{4}(\xfeSMB.{4}\x6d\x00\x00\xc0|\xffSMB.\x6d\x00\x00\xc0)"),
    "telnet": re.compile(rb"(?i).{0,40}(login incorrect|login failed|access denied|authentication f"
                         rb"ailed|bad password|invalid password)", re.S),
}  # fmt: skip


def refusals(batch: PacketBatch, rows: NDArray[np.int64]) -> Iterator[tuple[int, str]]:
    """Those of these rows (sent by a server of `SERVICES`) that refuse a login, and the service."""
    rows = rows[_maybe(batch, rows)][:MOST]
    for row in rows.tolist():
        service = SERVICES[int(batch.sport[row])]
        if PATTERNS[service].match(batch.payload(row)[:LOOKED_AT]):
            yield row, service


def _maybe(batch: PacketBatch, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows begin as a refusal does; the rest is never looked at one by one."""
    port, begin = batch.sport[rows], batch.payload_start[rows]
    first = number(batch.data, begin, ">u4")
    three = first >> 8
    found = (port == 21) & (three == int.from_bytes(b"530", "big"))
    found |= ((port == 25) | (port == 587)) & (three == int.from_bytes(b"535", "big"))
    found |= (port == 110) & (first == int.from_bytes(b"-ERR", "big"))
    found |= (port == 3306) & (number(batch.data, begin + 4, ">u2") == 0xFF15)
    found |= (port == 5432) & (first >> 24 == ord("E"))
    smb = number(batch.data, begin + 4, ">u4")
    signs = (int.from_bytes(sign, "big") for sign in (b"\xfeSMB", b"\xffSMB"))
    smb2, smb1 = (smb == sign for sign in signs)
    failure = 0x6D0000C0
    found |= (port == 445) | (port == 139)
    found &= ~((port == 445) | (port == 139)) | (
        smb2 & (number(batch.data, begin + 12, ">u4") == failure)
        | smb1 & (number(batch.data, begin + 9, ">u4") == failure)
    )
    imap = np.flatnonzero(port == 143)
    word = int.from_bytes(b" NO ", "big")
    for place in range(1, 12) if len(imap) else ():
        found[imap] |= number(batch.data, begin[imap] + place, ">u4") == word
    length = batch.payload_length[rows]
    small = (length >= TELNET_BYTES.start) & (length < TELNET_BYTES.stop)
    found |= (port == 23) & small
    kept: NDArray[np.bool_] = found
    return kept
