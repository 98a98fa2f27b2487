"""Names of settings: full keys, short keys where they are unambiguous, environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import yaml

from mlids.config.check import all_keys, nearest
from mlids.config.schema import SECTIONS, settings_type
from mlids.config.tree import Loader, Path
from mlids.errors import ConfigError

PREFIX = "MLIDS_"
# Names in the fixed sections that plugins have too, so that short they mean neither.
SHARED = frozenset(("enabled", "format", "ignore_sources", "ignore_targets"))


def resolve(key: str, kind: type[msgspec.Struct]) -> Path:
    """The full path of a key or a section; `port_scan_threshold` is short for its full key.

    Raises `ConfigError` E002 where nothing, or more than one thing, has that name.
    """
    path = tuple(key.split("."))
    leaves = [leaf for leaf, _ in all_keys(kind)]
    sections = {leaf[:n] for leaf in leaves for n in range(1, len(leaf))}
    if path in leaves or path in sections:
        return path
    matches = [leaf for leaf in leaves if leaf[-len(path) :] == path]
    if len(matches) == 1:
        return matches[0]
    if matches:
        names = ", ".join(".".join(match) for match in matches)
        raise ConfigError("E002", f"{key} is ambiguous: {names}")
    raise ConfigError("E002", f"{key} is unknown{nearest(path, kind)}")


def is_fixed(key: str) -> bool:
    """Whether a key belongs to the fixed sections and to no plugin, so that none need be loaded."""
    path = tuple(key.split("."))
    if path[0] in SECTIONS:
        return True
    names = {leaf[-1] for leaf, _ in all_keys(settings_type(()))}
    return len(path) == 1 and key in names - SHARED


def from_environment(environment: Mapping[str, str]) -> dict[Path, str]:
    """Settings in the environment: ``MLIDS_THRESHOLDS__PORT_SCAN_THRESHOLD=15``."""
    found: dict[Path, str] = {}
    for name, text in environment.items():
        if name.startswith(PREFIX) and "__" in name:
            path = tuple(name.removeprefix(PREFIX).lower().split("__"))
            found[path] = text
    return found


def read_value(text: str) -> Any:
    """A value as typed on the command line or in the environment, read as YAML."""
    try:
        return yaml.load(text, Loader=Loader)  # noqa: S506 - Loader is a safe one
    except yaml.YAMLError:
        return text
