"""Packets that Linux firewalls log: iptables LOG, nftables log, ufw, by kernel, dmesg or ulogd.

The kernel writes all of a line but the prefix that the administrator chose. It is told from what
others write by its tag: lines of other programs, in which users put their own text, are none.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from mlids import addresses
from mlids.layouts import tags

MARK = b" SRC="
LONGEST = 2048

_TAGGED = re.compile(rb"(?:" + tags.header(rb"kernel|ulogd") + rb"|" + tags.UPTIME + rb" ?)")
_BODY = re.compile(
    rb"(?P<prefix>[^'\"]{0,128}?)\bIN=(?P<inward>\S{0,64}) OUT=(?P<outward>\S{0,64}) "
    rb"(?:PHYSIN=\S{0,64} )?(?:PHYSOUT=\S{0,64} )?(?:MAC=\S{0,128} )?"
    rb"SRC=(?P<src>[0-9A-Fa-f:.]{2,45}) DST=(?P<dst>[0-9A-Fa-f:.]{2,45}) "
    rb"(?P<rest>.{0,1024}+)"
)
_FIELD = re.compile(rb"(?:^| )([A-Z]{2,12})=([^ \[]{0,64})")
FLAGS = frozenset((b"SYN", b"ACK", b"FIN", b"RST", b"PSH", b"URG", b"CWR", b"ECE"))


class Logged(NamedTuple):
    """One packet; addresses are in their usual spelling, numbers -1 where they are not told.

    flags: those of TCP, None where the line tells none of TCP's fields.
    """

    prefix: str
    inward: str
    outward: str
    src: str
    dst: str
    protocol: str
    sport: int
    dport: int
    icmp_type: int
    flags: frozenset[str] | None
    fields: dict[str, str]


def packet(line: bytes) -> Logged | None:
    """The packet of a line; None where it is none, or not the kernel's."""
    head = _TAGGED.match(line[:LONGEST])
    body = _BODY.match(line[:LONGEST], head.end()) if head else None
    if body is None:
        return None
    src, dst = _address(body["src"]), _address(body["dst"])
    if not (src and dst):
        return None
    rest = body["rest"].partition(b"[")[0]  # ICMP quotes the packet it answers in brackets
    fields = {name.decode(): value.decode("latin-1") for name, value in _FIELD.findall(rest)}
    words = FLAGS.intersection(rest.split(b" "))
    told = "WINDOW" in fields or "RES" in fields
    return Logged(
        prefix=body["prefix"].decode("utf-8", "replace").strip(),
        inward=body["inward"].decode("utf-8", "replace"),
        outward=body["outward"].decode("utf-8", "replace"),
        src=src,
        dst=dst,
        protocol=fields.get("PROTO", "").upper(),
        sport=_number(fields.get("SPT")),
        dport=_number(fields.get("DPT")),
        icmp_type=_number(fields.get("TYPE")),
        flags=frozenset(word.decode() for word in words) if told or words else None,
        fields=fields,
    )


def record(line: bytes) -> dict[str, str]:
    """The fields of a packet by netfilter's names, and `prefix`, `FLAGS`; {} where it is none."""
    found = packet(line)
    if found is None:
        return {}
    ends = {"IN": found.inward, "OUT": found.outward, "SRC": found.src, "DST": found.dst}
    flags = {"FLAGS": " ".join(sorted(found.flags))} if found.flags else {}
    return {"prefix": found.prefix, **ends, **found.fields, **flags}


@lru_cache(maxsize=65536)
def _address(text: bytes) -> str:
    return addresses.normalise(text.decode("ascii"))


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 6 else -1
