"""Changes of settings as they are typed, ``KEY=VALUE``, and which plugins they reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from mlids import assembly, registry
from mlids.batches import ChangeBatch, LineBatch, PacketBatch
from mlids.config import ConfigManager, check, keys
from mlids.config.schema import settings_type
from mlids.config.values import place
from mlids.errors import ConfigError, MLIDSError

KINDS = (LineBatch, PacketBatch, ChangeBatch)


class Change(msgspec.Struct, frozen=True):
    """One setting, by its full key, as it is and as it might be; secrets are hidden."""

    key: str
    before: Any
    after: Any

    @property
    def text(self) -> str:
        """The change in words."""
        return f"{self.key} {_shown(self.after)} instead of {_shown(self.before)}"


class Difference(NamedTuple):
    """What changes for one plugin: its settings as they are, and of some what they might be.

    enabled: whether it is used, before and after.
    """

    settings: dict[str, Any]
    changed: dict[str, Any]
    enabled: tuple[bool, bool]


def read(manager: ConfigManager, texts: Sequence[str]) -> tuple[Any, Any, list[Change]]:
    """The settings as they are, as they would be, and what differs; the manager stays as it is.

    Keys and values are held to the same as those of ``config --set``. Raises `ConfigError` E002,
    `MLIDSError` E002 where a text is no KEY=VALUE.
    """
    before, after = _copy(manager), _copy(manager)
    chosen: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            hint = "say --backtest thresholds.brute_force_threshold=8"
            raise MLIDSError("E002", f"{text!r} is no KEY=VALUE", hint)
        full, read = _checked(before, name.strip(), value.strip())
        chosen[full] = read
    settings = before.settings
    after.override(chosen)
    return settings, after.settings, [Change(k, before.shown(k), after.shown(k)) for k in chosen]


def _copy(manager: ConfigManager) -> ConfigManager:
    """A manager of the same values, with the sections of every plugin."""
    copy = ConfigManager(manager.path, manager.environment)
    copy.override({".".join(path): value for path, value in manager.overrides.items()})
    return copy


def _checked(manager: ConfigManager, name: str, text: str) -> tuple[str, Any]:
    kind = settings_type()
    path = keys.resolve(name, kind)
    full = ".".join(path)
    value = keys.read_value(text)
    is_leaf = any(path == leaf for leaf, _ in check.all_keys(kind))
    if is_leaf and manager.takes_text(full) and not isinstance(value, list):
        value = text
    changed: dict[str, Any] = {}
    place(changed, path, value)
    if wrong := check.problems(changed, kind, lambda _: None):
        raise ConfigError("E002", wrong[0], wrong)
    return full, value


def differences(before: Any, after: Any) -> dict[str, Difference]:
    """By name the detectors and correlators that the change reaches.

    Raises `ConfigError` E002 where a plugin does not take the settings.
    """
    old, new = _plugins(before), _plugins(after)
    found = {}
    for name in sorted(old.keys() | new.keys()):
        was, will = old.get(name), new.get(name)
        settings = was if was is not None else will
        assert settings is not None
        changed = {k: v for k, v in (will or {}).items() if was is not None and was[k] != v}
        if changed or was is None or will is None:
            found[name] = Difference(settings, changed, (was is not None, will is not None))
    return found


def _plugins(settings: Any) -> dict[str, dict[str, Any]]:
    """The settings of each plugin that is enabled."""
    made: list[Any] = assembly.correlators(settings)
    for kind in KINDS:
        made += assembly.detectors(settings, kind).values()
    known = ((one.name, getattr(one, "settings", None)) for one in made)
    return {name: msgspec.structs.asdict(own) if own is not None else {} for name, own in known}


def only(settings: Any, names: Sequence[str]) -> Any:
    """The same settings with all detectors switched off but these."""
    sections = settings.detectors
    off = {
        name: msgspec.structs.replace(getattr(sections, name), enabled=False)
        for name in registry.names("detectors")
        if name not in names
    }
    return msgspec.structs.replace(settings, detectors=msgspec.structs.replace(sections, **off))


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
