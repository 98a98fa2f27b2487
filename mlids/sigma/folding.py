"""Texts as rules compare them: without regard to case, and what of a text surely stands in a line.

A screen over raw lines may only ask for bytes that every matching line holds as they are. So a
literal is cut where formats escape (quotes, backslashes, control characters), where case is more
than ASCII, and, for records, where their text depends on how they were written.
"""

from __future__ import annotations

import re

LEAST = 3  # bytes of a literal that is worth looking for

# `\x8f` is what a byte that is no UTF-8 becomes in a record, so these four are cut out whole.
_BREAKS = re.compile(r"\\x[0-9a-f]{2}|[^\x20-\x7e]|[\"\\]")
_RECORD_BREAKS = re.compile(r"\\x[0-9a-f]{2}|[^\x21-\x7e]|[\"\\:,{}\[\]]")
_SIGNS = re.compile(r"[^\w\s]{2}")  # two signs together are rarer than three letters
_UNREADABLE = re.compile(r"\(\?(?:[a-zA-Z-]*x|#)")  # comments, and spaces that mean nothing
_LONG = frozenset("xuUpPQEkgN0123456789")  # escapes that are longer than two characters
_NUMERIC = re.compile(r"[0-9e+.-]*")


def fold(text: str) -> str:
    """The text in which case makes no difference; the long s is an s, as patterns have it."""
    return text.lower() if text.isascii() else text.lower().replace("\u017f", "s")


def literal(text: str, structured: bool, whole: bool = False) -> bytes | None:
    """The longest part of a folded text that stands in the line as it is; None: none of use.

    structured: the line is a record (JSON), whose numbers and nested values may be spelled
    otherwise; whole: the text is all of a value, so that a number is one that has no other
    spelling.
    """
    if structured and not (whole and text.isdecimal()):
        parts = _RECORD_BREAKS.split(text)
        parts = [part for part in parts if part.count(".") > 1 or not _NUMERIC.fullmatch(part)]
    else:
        parts = _BREAKS.split(text)
    best = max(parts, key=len, default="")
    telling = len(best) >= LEAST or _SIGNS.fullmatch(best)
    return best.encode() if telling else None


def literals(texts: list[str], structured: bool, whole: bool = False) -> frozenset[bytes] | None:
    """One literal of each text; None where one has none."""
    found = [literal(text, structured, whole) for text in texts]
    return None if None in found else frozenset(one for one in found if one is not None)


def regex_runs(pattern: str) -> list[str]:
    """Texts that whatever matches the expression must hold, as far as they are plain to see.

    Only what stands outside of brackets counts, and nothing where there is an alternative.
    """
    if _UNREADABLE.search(pattern):
        return []
    runs: list[str] = [""]
    depth = at = 0
    while at < len(pattern):
        piece = _piece(pattern, at)
        at += len(piece)
        if piece[0] == "\\" and piece[1:] in _LONG:
            return []
        if piece in "()":
            depth += 1 if piece == "(" else -1
            runs.append("")
        elif depth:
            continue
        elif piece == "|":
            return []
        elif len(piece) == 1 and piece not in ".^$+?*":
            runs[-1] += piece
        elif piece[0] == "\\" and not piece[1:].isalnum():
            runs[-1] += piece[1:]
        else:
            if piece[0] in "?*{":
                runs[-1] = runs[-1][:-1]  # what stands before it may be missing
            runs.append("")
    return [one for one in runs if one]


def _piece(pattern: str, at: int) -> str:
    """The piece of an expression that begins at `at`: one character, an escape, a class, {…}."""
    if pattern[at] == "\\":
        return pattern[at : at + 2]
    if pattern[at] == "[":
        return pattern[at : _class_end(pattern, at + 1)]
    if pattern[at] == "{" and (end := pattern.find("}", at)) > 0:
        return pattern[at : end + 1]
    return pattern[at]


def _class_end(pattern: str, at: int) -> int:
    """The offset behind a bracketed class whose first character stands at `at`."""
    if pattern[at : at + 1] == "^":
        at += 1
    if pattern[at : at + 1] == "]":
        at += 1
    while at < len(pattern) and pattern[at] != "]":
        at += 2 if pattern[at] == "\\" else 1
    return at + 1
