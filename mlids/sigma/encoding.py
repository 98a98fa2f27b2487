"""Values of rules in base64, of the bytes that are meant.

pySigma encodes a value with its escapes, and byte order marks as UTF-8; so it is done here.
"""

from __future__ import annotations

from base64 import b64encode
from itertools import product
from typing import Any

from mlids.sigma.documents import RuleError

ENCODINGS = {
    "SigmaWideModifier": "utf-16-le",
    "SigmaUTF16BEModifier": "utf-16-be",
    "SigmaUTF16Modifier": "utf-16-le",
}
BASE64 = ("SigmaBase64Modifier", "SigmaBase64OffsetModifier")


def encoded(item: Any, modifiers: list[str]) -> list[Any]:
    """The values of a detection item that has one of the modifiers of base64."""
    from sigma import types

    coding = next((ENCODINGS[one] for one in modifiers if one in ENCODINGS), "utf-8")
    mark = b"\xff\xfe" if "SigmaUTF16Modifier" in modifiers else b""
    made: list[Any] = []
    for value in item.original_value:
        spellings = _dashed(item, value) if "SigmaWindowsDashModifier" in modifiers else [value]
        texts = [mark + _bytes(one, coding) for one in spellings]
        if BASE64[1] in modifiers:
            coded = [_at_offset(text, offset) for text, offset in product(texts, range(3))]
        else:
            coded = [b64encode(text).decode() for text in texts]
        made.append(types.SigmaExpansion([_around(one, modifiers) for one in coded]))
    return made


def _bytes(value: Any, coding: str) -> bytes:
    from sigma import types

    parts = value.s if isinstance(value, types.SigmaString) else [None]
    texts = [one for one in parts if isinstance(one, str)]
    if len(texts) < len(parts):
        raise RuleError("only plain texts can be encoded in base64")
    return "".join(texts).encode(coding)


def _dashed(item: Any, value: Any) -> list[Any]:
    from sigma.modifiers import SigmaWindowsDashModifier

    return list(SigmaWindowsDashModifier(item, []).modify(value).values)


def _at_offset(text: bytes, offset: int) -> str:
    """What base64 makes of a text that begins so many bytes into a group of three, whatever is
    around it: characters that depend on the neighbours are left out.
    """
    starts, ends = (0, 2, 3), (None, -3, -2)
    coded = b64encode(b" " * offset + text)
    return coded[starts[offset] : ends[(len(text) + offset) % 3]].decode()


def _around(text: str, modifiers: list[str]) -> Any:
    """The text with the wildcards and the case that the other modifiers ask for."""
    from sigma import types

    many = types.SpecialChars.WILDCARD_MULTI
    value = types.SigmaString.from_str(text)
    if {"SigmaContainsModifier", "SigmaStartswithModifier"} & set(modifiers):
        value = value + many
    if {"SigmaContainsModifier", "SigmaEndswithModifier"} & set(modifiers):
        value = many + value
    cased = "SigmaCaseSensitiveModifier" in modifiers
    return types.SigmaCasedString.from_sigma_string(value) if cased else value
