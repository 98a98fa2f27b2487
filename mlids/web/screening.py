"""Which of many requests need a closer look: one pass of one re2 pattern over all of them.

The pattern asks for single signs (a quote, a step upwards, a word of SQL behind a blank) in the raw
text, however it is encoded. It lets some harmless requests through to the closer look, and holds
back no attack that `matching` would find, but for base64 that holds none of `WORDS`.
"""

from __future__ import annotations

import base64
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import re2

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.intp]
    Places = NDArray[np.int64]

WORDS = (
    b"select", b"union", b"script", b"alert", b"onerror", b"sleep", b"/etc/", b"../../",
    b"passwd", b" or 1=1", b"system(", b"/bin/", b"<?php", b"<svg ", b"onload",
)  # fmt: skip


def screen(text: bytes, starts: Places) -> Rows:
    """Which of the texts that begin at these ascending offsets of `text` need a closer look.

    Each goes up to where the next one begins, and should end with a line end.
    """
    found = places(text)
    if not len(found):
        return np.zeros(0, np.intp)
    rows = np.unique(np.searchsorted(starts, found, "right") - 1)
    return rows[rows >= 0]


def places(text: bytes) -> Places:
    """Where in a text signs begin, at most one a line."""
    return np.fromiter((hit.start() for hit in expression().finditer(text)), np.int64)


def needs_look(text: bytes) -> bool:
    """Whether one text needs a closer look."""
    return expression().search(text) is not None


class Signs(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The file of signs. names: pieces of patterns that signs hold in capitals."""

    names: dict[str, str]
    signs: list[str]


def _load() -> Signs:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    file = resources.files("mlids") / "rules" / "web" / "screen" / "signs.yaml"
    data = yaml.load(file.read_bytes(), Loader=loader)  # noqa: S506 (a safe loader)
    return msgspec.convert(data, Signs)


@cache
def expression() -> Any:
    """The pattern, compiled. A hit takes what follows on its line, so that lines give one each."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.case_sensitive = False
    options.max_mem = 16 << 20
    file = _load()
    signs = "|".join(file.signs)
    for name, meaning in file.names.items():
        signs = signs.replace(name, meaning)
    hidden = "|".join(sorted({form for word in WORDS for form in _base64_forms(word)}))
    return re2.compile(f"(?m)(?:{signs}|(?-i:{hidden}))[^\\n]*".encode(), options)


def _base64_forms(word: bytes) -> set[str]:
    """How a word looks inside base64: it begins at one of three places within four characters."""
    forms = set()
    for spelt in {word, word.upper(), word.capitalize()}:
        for before in range(3):
            text = base64.b64encode(bytes(before) + spelt).decode().rstrip("=")
            first = (0, 2, 3)[before]
            last = (before + len(spelt)) * 8 // 6
            forms.add(text[first:last].replace("+", r"[+-]").replace("/", "[/_]"))
    return {form for form in forms if len(form) >= 5}
