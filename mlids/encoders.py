"""Makes text from outside safe for those who read it: what is shown cannot act.

An attacker chooses user names, URLs, agents and paths; a terminal obeys escape codes in them, and
bidirectional controls or invisible letters make a line say what it does not.
"""

from __future__ import annotations

import json
import re
import unicodedata
from functools import lru_cache

# Letters and signs that show nothing, though Unicode calls them printable.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_MARKS = 2  # combining marks on one letter; more of them run over other lines


def terminal_safe(text: object, limit: int = 2000) -> str:
    r"""Text that a terminal shows and does not obey.

    Control and escape characters, line ends, bidirectional and invisible characters, spaces other
    than the plain one and stacks of combining marks become visible escapes (``\x1b``, ``\u202e``).
    limit: characters kept of the text.
    """
    full = text if isinstance(text, str) else str(text)
    shown = full[:limit]
    if not (shown.isascii() and shown.isprintable()):
        shown = "".join(_visible(shown))
    return shown if len(full) <= limit else shown + "…"


def cells(text: str) -> int:
    """How many columns of a terminal a safe text takes: wide letters two, combining marks none."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def fitted(text: str, width: int) -> str:
    """A safe text cut to so many columns, with an ellipsis where something was cut."""
    if cells(text) <= width:
        return text
    taken, room = [], width - 1
    for char in text:
        room -= _cells(char)
        if room < 0:
            break
        taken.append(char)
    return "".join(taken) + "…" if width > 0 else ""


def csv_safe(text: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP, CSV Injection)."""
    formula = text.lstrip().startswith(
        ("=", "+", "-", "@", "|", "\uff1d", "\uff0b", "\uff0d", "\uff20")
    )
    text = terminal_safe(text, len(text))
    return "'" + text if formula else text


def json_safe(encoded: bytes) -> bytes:
    r"""JSON whose text cannot act on who looks at the raw lines; decoded it is the same.

    Whatever `terminal_safe` would not show as it is (escape and bidirectional controls, separators
    of lines, invisible letters) is written as ``\uXXXX``. encoded: JSON without line ends inside.
    """
    if encoded.isascii() and b"\x7f" not in encoded:
        return encoded
    return _BEYOND.sub(_in_json, encoded.decode()).encode()


_BEYOND = re.compile("[^\x00-\x7e]+")


def _in_json(run: re.Match[str]) -> str:
    text = run.group()
    pairs = zip(text, _visible(text), strict=True)
    return "".join(char if char == shown else json.dumps(char)[1:-1] for char, shown in pairs)


def _visible(text: str) -> list[str]:
    shown, marks = [], 0
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) or _is_mark(char) else 0
        harmless = char.isprintable() and char not in _INVISIBLE and not _selects_variant(char)
        shown.append(char if harmless and marks <= _MARKS else _escape(char))
    return shown


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _selects_variant(char: str) -> bool:
    return "\u180b" <= char <= "\u180f" or "\ufe00" <= char <= "\ufe0f" or char >= "\U000e0000"


@lru_cache(maxsize=4096)
def _is_mark(char: str) -> bool:
    return unicodedata.category(char) in ("Mn", "Me")


def _cells(char: str) -> int:
    if _is_mark(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
