"""The chain over stored records: each carries its number and a digest of itself and all before it.

``{"timestamp":…}`` is stored as ``{"timestamp":…,"seq":7,"chain":"<32 hex digits>"}``. The digest
is the first half of SHA-256 over the digest before and the record up to ``,"chain"``, so that no
record can be changed, taken out, put in or moved without changing all digests behind it (after
Haber and Stornetta, 1991). Whoever can write the file can make the chain anew: that is what the
seals are for (`mlids.seals`).
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

PROOF = b',"seq":'
CHAIN = b',"chain":"'
_HEX = 32  # digits of a digest
LENGTH = 72  # bytes that a proof adds to a line, at most
_TAIL = len(CHAIN) + _HEX + len(b'"}\n')


class Link(NamedTuple):
    """The end of a chain: the number and the digest of its last record; as `Link()`, its start."""

    seq: int = 0
    digest: str = "0" * _HEX


def extend(end: Link, records: Sequence[bytes]) -> tuple[Link, bytes]:
    """Records (JSON objects without newline) as chained lines; and the end of the chain then."""
    seq, digest = end.seq, end.digest.encode()
    lines = []
    for record in records:  # by the hundred thousand: every call here counts
        seq += 1
        body = b'%b,"seq":%d' % (record[:-1], seq)
        digest = sha256(digest + body).hexdigest()[:_HEX].encode()
        lines.append(b'%b,"chain":"%b"}\n' % (body, digest))
    return Link(seq, digest.decode()), b"".join(lines)


def digest_of(before: str, body: bytes) -> str:
    """The digest of a record behind the one that has the digest `before`.

    body: the record's line up to ``,"chain"``.
    """
    return sha256(before.encode() + body).hexdigest()[:_HEX]


def split(line: bytes) -> tuple[bytes, str]:
    """The body of a chained line (with newline) and the digest that it claims; "" for none."""
    if line[-_TAIL : -_TAIL + len(CHAIN)] != CHAIN or not line.endswith(b'"}\n'):
        return line, ""
    return line[:-_TAIL], line[-_HEX - 3 : -3].decode("ascii", "replace")


def bare(line: bytes) -> bytes:
    """A stored line without its proof and its end: the event as it was handed over."""
    text = line.rstrip(b"\r\n")
    at = text.rfind(PROOF, 0, 1 - _TAIL)
    chained = at > 0 and text[1 - _TAIL : 1 - _TAIL + len(CHAIN)] == CHAIN
    return text[:at] + b"}" if chained else text


def claimed(line: bytes) -> Link | None:
    """The link that a line says it is, whether it is true or not; None where it has no proof."""
    body, digest = split(line)
    number = body[body.rfind(PROOF) + len(PROOF) :] if digest else b""
    return Link(int(number), digest) if number.isdigit() and len(number) < 20 else None
