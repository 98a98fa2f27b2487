"""Nested mappings of settings: reading, placing and tidying values by their path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlids.config.tree import SLIP_ADVICE, Path


def without_slip(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Take `host`, `port` and `token` one level too high for what was meant."""
    values = copied(values)
    integrations = values.get("integrations")
    if not isinstance(integrations, dict):
        return values, []
    slipped = {k: integrations.pop(k) for k in ("host", "port", "token") if k in integrations}
    if not slipped:
        return values, []
    splunk = integrations.get("splunk")
    integrations["splunk"] = {**slipped, **(splunk if isinstance(splunk, dict) else {})}
    return values, [f"{SLIP_ADVICE}; read as if they did"]


def copied(values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy that shares no mapping with the original."""
    return {k: copied(v) if isinstance(v, Mapping) else v for k, v in values.items()}


def without_empty(values: dict[str, Any]) -> dict[str, Any]:
    """A section without keys (null) means its defaults."""
    return {
        k: without_empty(v) if isinstance(v, dict) else v
        for k, v in values.items()
        if v is not None
    }


def place(values: dict[str, Any], path: Path, value: Any) -> None:
    """Put a value at a path; sections on the way are made."""
    for key in path[:-1]:
        if not isinstance(values.get(key), dict):
            values[key] = {}
        values = values[key]
    values[path[-1]] = value


def find(values: Any, path: Path) -> Any:
    """The value at a path, None where there is none."""
    for key in path:
        if not isinstance(values, dict) or key not in values:
            return None
        values = values[key]
    return values


def attribute(settings: Any, path: Path) -> Any:
    """The attribute at a path of typed settings."""
    for key in path:
        settings = getattr(settings, key)
    return settings
