"""Secrets: references to the environment, ``${NAME}``, and what is shown in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlids.errors import ConfigError

HIDDEN = "********"


def resolve_secret(value: str, environment: Mapping[str, str]) -> str:
    """The text with ``${NAME}`` replaced by the environment. Raises E002 where NAME is not set."""
    if not is_reference(value):
        return value
    name = value[2:-1]
    if name not in environment:
        raise ConfigError("E002", f"${{{name}}} is used, but the environment has no {name}")
    return environment[name]


def is_reference(value: Any) -> bool:
    """True for a text like ``${NAME}``."""
    return isinstance(value, str) and value.startswith("${") and value.endswith("}")
