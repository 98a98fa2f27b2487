"""The fields of a settings struct; msgspec works them out anew at each call, which adds up."""

from __future__ import annotations

from functools import cache

import msgspec


@cache
def fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """The fields of a struct, in order."""
    return msgspec.structs.fields(kind)
