"""Tokens of a query: words, quoted phrases, fields with their operators, brackets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from mlids.query.errors import QueryError
from mlids.query.patterns import Piece, Wild

LONGEST_PATTERN = 256  # characters of a value with wildcards: bounds what matching it can cost
_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<open>\()"
    r"|(?P<close>\))"
    r"|(?P<minus>-(?=[^\s)]))"
    r"|(?P<field>[A-Za-z_][\w.-]*+)\s*(?P<operator>>=|<=|!=|[:=<>])\s*"
    r'|(?P<quote>")'
    r'|(?P<word>(?:\\.|[^\s()"\\]|\\(?=\s|\Z))+)',
    re.DOTALL,
)
_QUOTED = re.compile(r'(?:[^"\\]|\\.)*+', re.DOTALL)
_VALUE = re.compile(r'(?:\\.|[^\s()"\\]|\\(?=\s|\Z))+', re.DOTALL)
_SPECIAL = re.compile(r"[\\*?]")
Kind = Literal["open", "close", "not", "and", "or", "field", "word", "end"]
_WORDS: dict[str, Kind] = {"AND": "and", "OR": "or", "NOT": "not"}


class Token(NamedTuple):
    """One token. text: without quotes and backslashes; of a field its name."""

    kind: Kind
    position: int
    text: str = ""
    pieces: tuple[Piece, ...] = ()
    operator: str = ""


def tokens(query: str) -> Iterator[Token]:
    """The tokens of a query, an `end` behind the last. Raises `QueryError`."""
    at, value = 0, False  # value: a field came just before, so what follows is no field
    while at < len(query):
        match = (_VALUE if value and query[at] not in '()"' else _TOKEN).match(query, at)
        assert match, "every character begins a token"
        kind = match.lastgroup or "value"
        if kind == "quote":
            token, at = _quoted(query, at)
            yield token
        else:
            if kind != "space":
                yield _token(query, kind, match)
            at = match.end()
        value = kind == "operator"
    yield Token("end", len(query))


def _token(query: str, kind: str, match: re.Match[str]) -> Token:
    at = match.start()
    if kind == "operator":
        operator = match["operator"].replace(":", "=")
        return Token("field", at, match["field"], operator=operator)
    if kind == "minus":
        return Token("not", at)
    if kind == "open":
        return Token("open", at)
    if kind == "close":
        return Token("close", at)
    text = match[0]
    if text in _WORDS and kind != "value":
        return Token(_WORDS[text], at)
    pieces = tuple(_pieces(text)) if _SPECIAL.search(text) else (text,)
    if len(text) > LONGEST_PATTERN and any(isinstance(piece, Wild) for piece in pieces):
        raise QueryError(
            query, at, f"a text with wildcards has at most {LONGEST_PATTERN} characters"
        )
    return Token("word", at, _plain(pieces), pieces)


def _quoted(query: str, at: int) -> tuple[Token, int]:
    match = _QUOTED.match(query, at + 1)
    assert match, "it matches nothing at all, too"
    end = match.end()
    if end >= len(query) or query[end] != '"':
        raise QueryError(query, at, "the quote is never closed")
    text = re.sub(r"\\(.)", r"\1", match[0], flags=re.DOTALL)
    return Token("word", at, text, (text,)), end + 1


def _pieces(text: str) -> Iterator[Piece]:
    """Literal texts and wildcards; a backslash takes the meaning from what follows it."""
    for match in re.finditer(r"\\(?P<escaped>.)|(?P<wild>[*?])|[^\\*?]+|\\", text, re.DOTALL):
        if match["wild"]:
            yield Wild(match["wild"])
        else:
            yield match["escaped"] or match[0]


def _plain(pieces: tuple[Piece, ...]) -> str:
    return "".join(piece if isinstance(piece, str) else piece.value for piece in pieces)
