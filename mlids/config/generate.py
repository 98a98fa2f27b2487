"""Writes `config.yaml` and the JSON Schema from the typed settings, so that they cannot lag."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from mlids.config.check import is_section
from mlids.config.edit import scalar
from mlids.config.fields import fields
from mlids.config.schema import settings_type

HEAD = """\
# MLIDS configuration. Every key is shown with its default; leave out what you do not change.
# Check it with: python index.py config --validate
# Secrets are references to the environment: token: "${SPLUNK_TOKEN}"
"""


def default_text() -> str:
    """The commented default configuration."""
    return HEAD + "".join(_entries(settings_type(), 0))


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the configuration, for editors."""
    schema = msgspec.json.schema(settings_type())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def description(field: msgspec.structs.FieldInfo) -> str:
    """What a setting is, from its Meta."""
    info = msgspec.inspect.type_info(field.type)
    text = str((getattr(info, "extra_json_schema", None) or {}).get("description", ""))
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def limits(field: msgspec.structs.FieldInfo) -> str:
    """The values a setting may have, in a few words; "" where any of its type will do."""
    info: Any = msgspec.inspect.type_info(field.type)
    info = info.type if isinstance(info, msgspec.inspect.Metadata) else info
    if isinstance(info, msgspec.inspect.LiteralType):
        return ", ".join(str(value) for value in info.values)
    low = _bound(info, "ge", "gt", "from", "above")
    high = _bound(info, "le", "lt", "to", "below")
    return " ".join(part for part in (low, high) if part)


def _bound(info: Any, including: str, excluding: str, word: str, strict: str) -> str:
    if (value := getattr(info, including, None)) is not None:
        return f"{word} {value}"
    if (value := getattr(info, excluding, None)) is not None:
        return f"{strict} {value}"
    return ""


def _entries(kind: type[msgspec.Struct], depth: int) -> Iterator[str]:
    indent = "  " * depth
    for field in fields(kind):
        if is_section(field.type):
            yield "\n" if depth == 0 else ""
            if about := (field.type.__doc__ or "").split("\n")[0]:
                yield f"{indent}# {about}\n"
            yield f"{indent}{field.name}:\n"
            yield from _entries(field.type, depth + 1)
        else:
            notes = "; ".join(note for note in (description(field), limits(field)) if note)
            line = f"{indent}{field.name}: {scalar(default(field))}"
            yield f"{line}  # {notes}\n" if notes else f"{line}\n"


def default(field: msgspec.structs.FieldInfo) -> Any:
    """The default of a setting, as plain data."""
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.to_builtins(field.default_factory())
    return msgspec.to_builtins(field.default)
