"""What a part of a request says once servers and browsers have decoded it: layer by layer.

Every step is one pass in linear time, a round applies all of them, and rounds go on until nothing
changes (at most `ROUNDS`). Layers are given *folded*: lower case, any white space one blank, no
null bytes. Beside the plain text there are two more forms, as interpreters read it:

- `SQL`: comments are blanks, versioned comments are code, no blanks beside punctuation;
- `SHELL`: quotes, backslashes and carets, which shells take away inside words, are gone.

`re` runs over hostile text here; each of its patterns is one class or a fixed length, so that it
cannot backtrack.
"""

from __future__ import annotations

import base64
import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

MOST_BYTES = 65_536  # of one part that are looked at
LONG = 8192  # bytes of a value of which the first and the last of its rounds are looked at
ROUNDS = 5  # a client that encodes more often than this is refused by servers too

_BLANKS = bytes(32 if n < 33 or n in {0x7F, 0xA0} else n for n in range(256)).lower()
_PERCENT = re.compile(rb"%(?:u([0-9A-Fa-f]{4})|([0-9A-Fa-f]{2}))")
_WIDE = re.compile(rb"[\xc0\xc1][\x00-\xff]|\xe0[\x80-\x9f][\x80-\xbf]|\xef[\xbc\xbd][\x80-\xbf]")
_QUOTES = re.compile(rb"\xca\xbc|\xca\xb9|\xe2\x80[\x98\x99\xb2\xb5]")
_WIDE_BLANKS = re.compile(rb"\xc2\xa0|\xe2\x80[\x80-\x8f\xa8-\xaf]|\xe3\x80\x80|\xef\xbb\xbf")
_ENTITY = re.compile(rb"&(?:#(?:[xX]([0-9A-Fa-f]{1,7})|([0-9]{1,8}))|([A-Za-z]{2,8}));?")
_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\})")
_HEX = re.compile(rb"0[xX](?:[0-9A-Fa-f]{2}){1,512}")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")
_DATA_URL = re.compile(rb";\s{0,8}base64\s{0,8},\s{0,8}([A-Za-z0-9+/_-]{12,}={0,2})")
_VERSION = re.compile(rb"/\*![0-9]{0,6}")
_MARKS = tuple(bytes([mark]) for mark in b"(),=<>;|")  # no blanks beside these
_INTERNAL = re.compile(rb"\$\{?ifs\}?(?:\$[0-9@*])?|\$[@*]")
_BYTES = [bytes([n]) for n in range(256)]
_PRINTABLE = bytes([9, 10, 13, *range(32, 127)])
_NAMES = {
    b"lt": b"<", b"gt": b">", b"quot": b'"', b"apos": b"'", b"amp": b"&", b"nbsp": b" ",
    b"colon": b":", b"semi": b";", b"comma": b",", b"period": b".", b"sol": b"/", b"bsol": b"\\",
    b"lpar": b"(", b"rpar": b")", b"lbrack": b"[", b"rbrack": b"]", b"lsqb": b"[", b"rsqb": b"]",
    b"lbrace": b"{", b"rbrace": b"}", b"lcub": b"{", b"rcub": b"}", b"grave": b"`", b"excl": b"!",
    b"equals": b"=", b"plus": b"+", b"num": b"#", b"dollar": b"$", b"percnt": b"%", b"ast": b"*",
    b"verbar": b"|", b"vert": b"|", b"hat": b"^", b"tab": b"\t", b"newline": b"\n", b"lowbar": b"_",
}  # fmt: skip

TEXT, SQL, SHELL = "text", "sql", "shell"
LINE_END = b"\xb6"  # what an end of line is in the form `SHELL`, where it ends commands


class Layers(NamedTuple):
    """The distinct layers of one part in the three forms, the outermost first."""

    text: list[bytes]
    sql: list[bytes]
    shell: list[bytes]


def layers(value: bytes, plus: bool = True) -> Layers:
    """The layers of a part; plus: a plus sign may be a blank, as in queries and forms.

    What is beyond `MOST_BYTES` is left out.
    """
    found = Layers([], [], [])
    made = stages(value[:MOST_BYTES], plus)
    encoded = len(made) > 1 and b"%" in value
    for number, stage in enumerate(made):
        folded = fold(stage)
        if not folded or folded in found.text:
            continue
        found.text.append(folded)
        if number or not encoded:  # no interpreter sees what is still percent-encoded
            _add(found.sql, _sql(stage, folded))
            _add(found.shell, _shell(stage, folded))
    return found


def _add(known: list[bytes], layer: bytes) -> None:
    if layer and layer not in known:
        known.append(layer)


def fold(text: bytes) -> bytes:
    """Lower case, every run of white space and control characters one blank, no null bytes."""
    if not text.isascii():
        text = _WIDE_BLANKS.sub(b" ", text)
    return b" ".join(text.translate(_BLANKS, b"\x00").split())


def stages(value: bytes, plus: bool = True) -> list[bytes]:
    """A value as it is sent, and after each round of decoding that changed it.

    Of a long value what lies between the first and the last round is left out.
    """
    text = value.replace(b"+", b" ") if plus else value
    made = [text]
    _rounds(text, made, ROUNDS)
    if len(text) > LONG:  # an attack shows in the last one, or it was not encoded
        del made[1:-1]
    last = made[-1]
    if plus and b"+" in last:
        made.append(last.replace(b"+", b" "))
    if b"0x" in last or b"0X" in last:
        made.append(_HEX.sub(_hex_text, last))
    for hidden in _hidden(last if text is value else _round(value)):
        _rounds(hidden, made, 2)
    return made


def _rounds(text: bytes, made: list[bytes], most: int) -> None:
    if text != made[-1]:
        made.append(text)
    for _ in range(most):
        after = _round(text)
        if after == text:
            return
        made.append(after)
        text = after


def _round(text: bytes) -> bytes:
    if b"%u" in text:
        text = _PERCENT.sub(_percent, text)
    elif b"%" in text:
        text = unquote_to_bytes(text)
    if not text.isascii():
        text = _QUOTES.sub(b"'", _WIDE.sub(_wide, text))
    if b"&" in text:
        text = _ENTITY.sub(_entity, text)
    if b"\\" in text:
        text = _ESCAPE.sub(_escape, text)
    return text


def _percent(found: re.Match[bytes]) -> bytes:
    wide, byte = found.groups()
    return _character(int(wide, 16)) if wide else _BYTES[int(byte, 16)]


def _wide(found: re.Match[bytes]) -> bytes:
    """ASCII in more bytes than it needs (overlong UTF-8), and its full-width forms."""
    text = found[0]
    if len(text) == 2:
        return _BYTES[(text[0] & 1) << 6 | (text[1] & 0x3F)]
    if text[0] == 0xE0:
        code = (text[1] & 0x3F) << 6 | (text[2] & 0x3F)
        return _BYTES[code] if code < 128 else text
    return _full_width(0xF000 | (text[1] & 0x3F) << 6 | (text[2] & 0x3F), text)


def _full_width(code: int, otherwise: bytes) -> bytes:
    return _BYTES[code - 0xFEE0] if 0xFF01 <= code <= 0xFF5E else otherwise


def _entity(found: re.Match[bytes]) -> bytes:
    digits, number, name = found.groups()
    if name:
        return _NAMES.get(name.lower(), found[0])
    return _character(int(digits, 16) if digits else int(number))


def _escape(found: re.Match[bytes]) -> bytes:
    byte, wide, braced = found.groups()
    return _character(int(byte or wide or braced, 16))


def _character(code: int) -> bytes:
    if code < 256:
        return _BYTES[code]
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        return b"?"
    return _full_width(code, chr(code).encode())


def _hex_text(found: re.Match[bytes]) -> bytes:
    text = bytes.fromhex(found[0][2:].decode())
    return text if _readable(text) else found[0]


def _hidden(text: bytes) -> list[bytes]:
    """Texts that stand in a value as base64: all of it, or what a data URL carries."""
    found = []
    stripped = text.strip()
    if _BASE64.fullmatch(stripped):
        found.append(stripped)
    if b"base64" in text.lower():
        found += _DATA_URL.findall(text)[:4]
    return [plain for plain in map(_unbase64, found) if plain]


def _unbase64(text: bytes) -> bytes:
    text = text.rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
    if len(text) % 4 == 1:
        text = text[:-1]
    plain = base64.b64decode(text + b"=" * (-len(text) % 4))
    return plain if _readable(plain) else b""


def _readable(text: bytes) -> bool:
    """Whether bytes are text, so that decoding them was no accident."""
    return bool(text) and len(text.translate(None, _PRINTABLE)) * 20 <= len(text)


def _sql(stage: bytes, folded: bytes) -> bytes:
    text = folded
    if b"\n" in stage and (b"--" in stage or b"#" in stage):
        *lines, last = stage.split(b"\n")
        cut = [line.partition(b"#")[0].partition(b"--")[0] for line in lines]
        text = fold(b" ".join([*cut, last]))
    if b"/*" in text:
        text = fold(_uncommented(_VERSION.sub(b" ", text)))
    for mark in _MARKS:  # faster than one pattern with a group
        if mark in text:
            text = text.replace(b" " + mark, mark).replace(mark + b" ", mark)
    return text


def _uncommented(text: bytes) -> bytes:
    """Comments are blanks; one that never ends stays, as that is a sign of its own."""
    pieces, at = [], 0
    while (begin := text.find(b"/*", at)) >= 0 and (end := text.find(b"*/", begin + 2)) >= 0:
        pieces.append(text[at:begin])
        at = end + 2
    pieces.append(text[at:])
    return b" ".join(pieces).replace(b"*/", b" ")


def _shell(stage: bytes, folded: bytes) -> bytes:
    text = fold(stage.strip().replace(b"\n", LINE_END)) if b"\n" in stage else folded
    if b"$" in text:
        text = _INTERNAL.sub(b" ", text)
    return fold(text.translate(None, b"'\"\\^"))
