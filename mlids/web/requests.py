"""A request taken apart: the same structure from a head on the wire and from a line of a log.

A part is a piece of text that the client chose, with the place where it stood. What names a part
(a parameter, a header) is for the reader of an event only; nothing in here can be blamed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

MOST_PARTS = 256  # of one request; what follows is looked at as one piece
MOST_HEADERS = 64
MOST_PIPELINED = 64
METHODS = (
    b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"PATCH", b"CONNECT", b"TRACE",
    b"PROPFIND", b"PROPPATCH",
)  # fmt: skip

PATH, QUERY, NAME, VALUE = "path", "query", "name", "value"
COOKIE, REFERRER, AGENT, HEADER, BODY = "cookie", "referrer", "agent", "header", "body"
KINDS = frozenset((PATH, QUERY, NAME, VALUE, COOKIE, REFERRER, AGENT, HEADER, BODY))

_REQUEST_LINE = re.compile(rb"([A-Za-z]{2,20}) +([^\r\n]+)")
_VERSION = re.compile(rb" HTTP/[0-9][.0-9]{0,3}\s*\Z")
_STRINGS = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.S)
_ODD = re.compile(rb"[^A-Za-z0-9_.:$\[\]-]")  # what names of parameters hardly have
_PLAIN = frozenset((b"host", b"accept", b"accept-encoding", b"connection", b"content-length"))


class Part(NamedTuple):
    """One piece: what it is (`KINDS`), its name where it has one, and its raw text."""

    kind: str
    name: bytes
    value: bytes

    @property
    def label(self) -> str:
        """How an event names it: ``value q``."""
        return f"{self.kind} {self.name[:40].decode('latin-1')}" if self.name else self.kind


class Request(NamedTuple):
    """One request. target: as it was sent; host: what the client called the server."""

    method: bytes
    target: bytes
    parts: list[Part]
    host: bytes = b""

    @property
    def path(self) -> bytes:
        """The target without its query."""
        return self.target.partition(b"?")[0]


def request(
    method: bytes = b"GET",
    target: bytes = b"/",
    *,
    cookies: bytes = b"",
    referrer: bytes = b"",
    agent: bytes = b"",
    body: bytes = b"",
    content_type: bytes = b"",
) -> Request:
    """A request from what a log line tells of it; all as it was sent, still encoded."""
    parts = list(target_parts(target))
    parts += _cookies(cookies)
    parts += _referrer(referrer)
    if agent:
        parts.append(Part(AGENT, b"", agent))
    parts += body_parts(body, content_type)
    return Request(method, target, _bounded(parts))


def parse(head: bytes) -> Request | None:
    """The request that these bytes begin, as far as they go; None where they begin none."""
    line = _REQUEST_LINE.match(head)
    if line is None:
        return None
    method, target = line.groups()
    target = _VERSION.sub(b"", target)
    text, blank, body = _split(head[line.end() :])
    parts, host, kind = list(target_parts(target)), b"", b""
    for name, value in headers(text):
        if name == b"host":
            host = value
        elif name == b"content-type":
            kind = value
        parts += _header(name, value)
    if blank:
        parts += body_parts(body, kind)
    return Request(method, target, _bounded(parts), host)


def headers(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names (in lower case) and values of header lines, of which the last may be cut off."""
    text = text.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    for line in text.split(b"\n", MOST_HEADERS):
        name, colon, value = line.partition(b":")
        if colon:
            yield name.strip().lower(), value.strip()


def body_length(head: bytes) -> int | None:
    """How many bytes of body a head announces; None where the head has not ended yet."""
    text, blank, _ = _split(head)
    if not blank:
        return None
    found = dict(headers(text)).get(b"content-length", b"")
    return int(found) if found.isdigit() and len(found) < 16 else 0


def body_begin(head: bytes) -> int:
    """Where the body begins; the length of all where the head has not ended."""
    text, blank, _ = _split(head)
    return len(text) + len(blank)


def _split(text: bytes) -> tuple[bytes, bytes, bytes]:
    """Header lines, the blank line that ends them, and what follows."""
    crlf, lf = text.find(b"\r\n\r\n"), text.find(b"\n\n")
    if lf >= 0 and (crlf < 0 or lf < crlf):
        return text[:lf], b"\n\n", text[lf + 2 :]
    return text.partition(b"\r\n\r\n")


def target_parts(target: bytes) -> Iterator[Part]:
    """Path, whole query, and each of its parameters."""
    path, _, query = target.partition(b"?")
    if path[:1] != b"/" and b"://" in path[:16]:  # as proxies are asked
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    yield Part(PATH, b"", path)
    if query:
        if b"&" in query or b"?" in query:  # else it says what its one parameter says
            yield Part(QUERY, b"", query)
        if b"&lt" in query or b"&#" in query:  # entities, which are no ends of parameters
            yield Part(VALUE, b"", query)
        yield from _parameters(query, VALUE)


def _parameters(text: bytes, kind: str) -> Iterator[Part]:
    pieces = text.split(b"&", MOST_PARTS)
    rest = pieces.pop() if len(pieces) > MOST_PARTS else b""
    for piece in pieces:
        name, equals, value = piece.partition(b"=")
        if not equals:
            name, value = b"", piece
        if _ODD.search(name) or name.count(b".") > 1:  # ``class.module.classLoader``
            yield Part(NAME, b"", piece)  # whole, since a sign of equality may be part of it
        if value:
            yield from _values(kind, name, value)
    if rest:
        yield Part(kind, b"", rest)


def _values(kind: str, name: bytes, value: bytes) -> Iterator[Part]:
    """A value, or the texts in it where it is JSON."""
    start = value[:3].lower()
    if start[:1] in b"{[" or start in (b"%7b", b"%5b"):
        found = list(_json(_unescaped(value), kind, name))
        if found:
            yield from found
            return
    yield Part(kind, name, value)


def _unescaped(value: bytes) -> bytes:
    return unquote_to_bytes(value.replace(b"+", b" ")) if b"%" in value[:3] else value


def _json(text: bytes, kind: str, name: bytes) -> Iterator[Part]:
    """Names and texts of a JSON document; nothing where it is none."""
    if text.strip()[:1] not in (b"{", b"["):
        return
    try:
        pending: list[tuple[bytes, Any]] = [(name, msgspec.json.decode(text))]
    except (ValueError, RecursionError):  # no JSON, or no UTF-8
        return
    while pending:
        key, value = pending.pop()
        if isinstance(value, dict):
            for label, child in value.items():
                inner = _encoded(label)
                if _ODD.search(inner):
                    yield Part(NAME, b"", inner)
                pending.append((inner, child))
        elif isinstance(value, list):
            pending += [(key, child) for child in value]
        elif isinstance(value, str) and value:
            yield Part(kind, key, _encoded(value))


def _unquoted(text: bytes) -> bytes:
    try:
        return _encoded(msgspec.json.decode(b'"' + text + b'"', type=str))
    except ValueError:  # no JSON, or no UTF-8
        return text


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def body_parts(body: bytes, content_type: bytes = b"") -> Iterator[Part]:
    """Values of a form or of JSON, whole or cut off; else the body as it is."""
    start = body.lstrip()[:1]
    if not start:
        return
    if start in (b"{", b"["):
        found = list(_json(body, BODY, b""))
        if not found:  # cut off, or not quite JSON
            texts = _STRINGS.findall(body)[:MOST_PARTS]
            found = [Part(BODY, b"", _unquoted(text)) for text in texts]
            found.append(Part(BODY, b"", _STRINGS.sub(b" ", body)))
        yield from found
    elif start != b"<" and b"=" in body and b"multipart" not in content_type.lower():
        yield from _parameters(body.strip(), BODY)
    else:
        yield Part(BODY, b"", body)


def _cookies(text: bytes) -> Iterator[Part]:
    for piece in text.split(b";", MOST_PARTS):
        name, equals, value = piece.strip().partition(b"=")
        if equals and value:
            yield Part(COOKIE, name, value)
        elif name:
            yield Part(COOKIE, b"", name)


def _referrer(text: bytes) -> Iterator[Part]:
    if not text or text == b"-":
        return
    before, _, query = text.partition(b"?")
    yield Part(REFERRER, b"", before)
    for part in _parameters(query, REFERRER):
        yield part._replace(kind=REFERRER)


def _header(name: bytes, value: bytes) -> Iterator[Part]:
    if name == b"cookie":
        yield from _cookies(value)
    elif name in (b"referer", b"referrer"):
        yield from _referrer(value)
    elif name == b"user-agent":
        yield Part(AGENT, b"", value)
    elif name not in _PLAIN or len(value) > 200 or b"$" in value:
        yield Part(HEADER, name, value)


def _bounded(parts: list[Part]) -> list[Part]:
    """Not more than `MOST_PARTS`: what is beyond is joined by kind, not left out."""
    if len(parts) <= MOST_PARTS:
        return parts
    rest: dict[str, list[bytes]] = {}
    for part in parts[MOST_PARTS:]:
        rest.setdefault(part.kind, []).append(part.value)
    joined = [Part(kind, b"", b"\n".join(values)) for kind, values in rest.items()]
    return parts[:MOST_PARTS] + joined


def several(text: bytes) -> list[bytes]:
    """The requests that stand one behind the other in what a client sent (pipelining)."""
    found: list[bytes] = []
    while text and len(found) < MOST_PIPELINED:
        wanted = body_length(text)
        end = len(text) if wanted is None else body_begin(text) + wanted
        if not text[end:].lstrip(b"\r\n").startswith(METHODS):
            end = len(text)
        found.append(text[:end])
        text = text[end:].lstrip(b"\r\n")
    return found
