"""Values from elsewhere in a query, so that they mean themselves."""

from __future__ import annotations

import re


def quoted(value: str) -> str:
    """A value as the language takes it literally: ``say "hi"`` becomes ``"say \\"hi\\""``."""
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'
