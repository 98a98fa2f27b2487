"""File names for log groups and streams, whose own names may be anything but `:` and `*`.

Who may create a stream chooses its name: it must not lead out of the folder, nor meet the file of
another stream, not even on a disk that ignores case.
"""

from __future__ import annotations

import hashlib
import re

LONGEST = 120  # bytes; leaves room below the 255 of file systems for what callers add
DIGITS = 16  # of the sha256: 2^32 tries for two names of one's own that meet

_PLAIN = re.compile(r"(?!mlids)[a-z0-9_][a-z0-9._-]*")  # logs/mlids.log is there already
_MARKED = re.compile(rf".*-[0-9a-f]{{{DIGITS}}}", re.DOTALL)
_OTHER = re.compile(r"[^A-Za-z0-9._-]")


def file_name(name: str) -> str:
    """One path component for a name of a group or stream; different names never share one.

    A short name of plain small letters stays as it is. Any other, and what files of MLIDS itself
    could be called, has its odd characters replaced by ``_`` and the beginning of its sha256 behind
    it.
    """
    is_plain = _PLAIN.fullmatch(name) and len(name) <= LONGEST and name[-1] != "."
    if is_plain and not _MARKED.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]
    shown = _OTHER.sub("_", name[: LONGEST - DIGITS - 1])
    if shown[:1] in ("", ".", "-"):  # hidden, or an option to the tools that read the file
        shown = "_" + shown[1:]
    return f"{shown}-{digest}"
