"""Finds plugins: a name is a file, and the file's one class is the plugin.

``plugin("detectors", "port_scan")`` is the class in ``mlids/detectors/port_scan.py``. Outsiders
publish theirs as an entry point in the group ``mlids.detectors``.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from mlids.batches import Detector, LogFormat, Monitor
from mlids.errors import MLIDSError
from mlids.events import Action, Correlator, EventSink, Notifier, Plugin

FOLDERS: dict[str, type[Plugin]] = {
    "monitors": Monitor,
    "formats": LogFormat,
    "detectors": Detector,
    "correlators": Correlator,
    "integrations": EventSink,
    "notifiers": Notifier,
    "actions": Action,
}


@cache
def names(folder: str) -> tuple[str, ...]:
    """The names of all plugins of a folder, outsiders included, sorted."""
    package = importlib.import_module(f"mlids.{folder}")
    own = {module.name for module in pkgutil.iter_modules(package.__path__)}
    return tuple(sorted(own | _outsiders(folder).keys()))


@cache
def plugin(folder: str, name: str) -> type[Plugin]:
    """The class of a plugin. Raises KeyError (no such name) or `MLIDSError` E107 (a broken one)."""
    if name not in names(folder):
        raise KeyError(f"{folder} has no {name!r}")
    outsider = _outsiders(folder).get(name)
    try:
        if outsider is not None:
            return _checked(folder, name, outsider.load())
        return _class_in(folder, name)
    except MLIDSError:
        raise
    except Exception as error:
        raise MLIDSError("E107", f"{folder}/{name} cannot be loaded: {error}") from error


def plugins(folder: str) -> dict[str, type[Plugin]]:
    """All plugins of a folder by name."""
    return {name: plugin(folder, name) for name in names(folder)}


def _class_in(folder: str, name: str) -> type[Plugin]:
    module = importlib.import_module(f"mlids.{folder}.{name}")
    found = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, FOLDERS[folder]) and member.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise MLIDSError("E107", f"{folder}/{name}.py defines {len(found)} plugins; one is right")
    return found[0]


def _checked(folder: str, name: str, found: object) -> type[Plugin]:
    if not (isinstance(found, type) and issubclass(found, FOLDERS[folder])):
        raise MLIDSError(
            "E107", f"{folder}/{name}: the entry point is no {FOLDERS[folder].__name__}"
        )
    return found


@cache
def _outsiders(folder: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in _entry_points().select(group=f"mlids.{folder}")}


@cache
def _entry_points() -> Any:
    """Read once: it takes as long as the rest of a short command."""
    return entry_points()
