"""Fields of text: ``key=value`` with quotes (logfmt), and the extension of CEF."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Keys and values exclude each other's marks, and quantifiers that follow each other are possessive.
_PAIR = re.compile(
    r'(?:^|(?<=[\s,]))([A-Za-z_@][\w.@/-]{0,127}+)=(?:"((?:[^"\\]++|\\.)*+)"|([^\s"]*+))', re.DOTALL
)
_ESCAPED = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_CEF_KEY = re.compile(r"(?:^|(?<=\s))([A-Za-z_][\w.\[\]-]{0,127}+)=")
_CEF_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
CEF_ADDRESSES = frozenset(("src", "dst", "dvc", "agt", "c6a1", "c6a2", "c6a3", "c6a4"))
MEANT = {"n": "\n", "r": "\r", "t": "\t"}


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """Keys and values in their order; what is no pair is passed over."""
    for key, quoted, bare in _PAIR.findall(text):
        yield key, unescaped(quoted) if quoted else bare


def unescaped(text: str) -> str:
    r"""A quoted text as it was meant: ``\"``, ``\n``, ``\u00e9``."""
    return _ESCAPED.sub(_meant, text) if "\\" in text else text


def _meant(found: re.Match[str]) -> str:
    mark = found[1]
    return chr(int(mark[1:], 16)) if len(mark) > 1 else MEANT.get(mark, mark)


def extension(text: str) -> dict[str, str]:
    r"""The fields of a CEF extension; values hold blanks, ``\=``, ``\n`` and ``\\``.

    Of a key that comes twice the first counts. Some devices do not write ``\=``, so that a user may
    have written one of them: two addresses under one key are none.
    """
    found = list(_CEF_KEY.finditer(text))
    if not found:
        return {}
    ends = [each.start() for each in found[1:]] + [len(text)]
    fields: dict[str, str] = {}
    doubtful = set()
    for key, end in zip(found, ends, strict=True):
        value = cef_unescaped(text[key.end() : end].strip())
        if fields.setdefault(key[1], value) != value and key[1] in CEF_ADDRESSES:
            doubtful.add(key[1])
    return {name: value for name, value in fields.items() if name not in doubtful}


def cef_unescaped(text: str) -> str:
    """A part of a CEF line as it was meant."""
    return _CEF_ESCAPED.sub(lambda e: MEANT.get(e[1], e[1]), text) if "\\" in text else text
