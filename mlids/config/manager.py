"""ConfigManager: one configuration file, its values, and changes to them; ConfigValidator."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

import msgspec

from mlids.atomic import write_atomically
from mlids.config import check, keys, networks
from mlids.config.edit import with_value
from mlids.config.generate import default_text
from mlids.config.schema import SECTIONS, UNUSED, extra, settings_type
from mlids.config.secrets import HIDDEN, is_reference
from mlids.config.tree import Document, Path, parse
from mlids.config.values import attribute, copied, find, place, without_empty, without_slip
from mlids.errors import ConfigError, MLIDSError


class ConfigManager:
    """A configuration file with defaults below it and the environment above it.

    A missing file means defaults (`exists` is False); a broken one is kept with its `problems`, and
    `settings` raises E002 until it is mended. folders: the kinds of plugins whose settings are
    wanted, None for all; those of others are checked where the file has any.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = "config.yaml",
        environment: Mapping[str, str] | None = None,
        folders: Sequence[str] | None = None,
    ) -> None:
        self.path = FilePath(path)
        self.environment = os.environ if environment is None else environment
        self._folders = None if folders is None else frozenset(folders)
        self.overrides: dict[Path, Any] = {}  # from the command line, above everything
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self.exists = False
        self._document = parse("")
        try:
            self._load()
        except ConfigError as error:
            self.problems = error.problems or [error.message]

    def _load(self) -> None:
        self.exists = os.path.exists(self.path)  # noqa: PTH110 - False where it may not be looked at
        document = parse(_read(self.path) if self.exists else "")
        self._take(document)

    def _take(self, document: Document) -> None:
        self._document = document
        self.values, slips = without_slip(document.values)
        self.warnings = document.warnings + slips
        merged = self._merged()
        self.problems = document.problems + check.problems(merged, self._type(), self._line)
        wrong = networks.problems(merged, self._line)
        self.problems += wrong
        self.warnings += [] if wrong else networks.doubts(merged)
        self.warnings += [
            f"{key} has no effect: {why}" for key, why in UNUSED.items() if self._is_changed(key)
        ]

    def _type(self) -> type[msgspec.Struct]:
        """The struct of the settings; with all plugins, if the file says more than is wanted."""
        if self._folders is None:
            return settings_type()
        more = set(self._merged()) - SECTIONS.keys() - {"version"} - self._folders
        return settings_type() if more else settings_type(tuple(sorted(self._folders)))

    def _line(self, path: Path) -> int | None:
        return None if path in self.overrides else self._document.line(path)

    def _merged(self) -> dict[str, Any]:
        merged: dict[str, Any] = copied(self.values)
        for path, text in keys.from_environment(self.environment).items():
            place(merged, path, self._typed(path, text))
        for path, value in self.overrides.items():
            place(merged, path, value)
        return merged

    def _typed(self, path: Path, text: str) -> Any:
        """A text of the environment as its setting takes it: `12345` may be a password."""
        value = keys.read_value(text)
        known = {leaf for leaf, _ in check.all_keys(settings_type())}
        as_text = path in known and self.takes_text(".".join(path)) and not isinstance(value, list)
        return text if as_text else value

    def _is_changed(self, key: str) -> bool:
        path = tuple(key.split("."))
        value = find(self._merged(), path)
        return value is not None and value != attribute(self._type()(), path)

    @property
    def settings(self) -> Any:
        """The typed settings. Raises `ConfigError` E002 with every problem of the file."""
        self.raise_problems()
        return msgspec.convert(without_empty(self._merged()), self._type())

    def raise_problems(self) -> None:
        """Raise `ConfigError` E002 where there are any."""
        if self.problems:
            count = len(self.problems)
            where = f"{self.path}: {count} problem{'s' if count > 1 else ''}"
            raise ConfigError("E002", f"{where}: {self.problems[0]}", self.problems)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key (full, or short where unambiguous), a dict for a section.

        A key that does not exist gives `default` where one is given, else `ConfigError` E002.
        """
        try:
            path = keys.resolve(key, self._type())
        except ConfigError:
            if default is not None:
                return default
            raise
        value = find(self._merged(), path)
        if value is None or isinstance(value, dict):
            return msgspec.to_builtins(attribute(self._tolerant(), path))
        return value

    def _tolerant(self) -> Any:
        """Settings where wrong values give way to defaults, so that a broken file can be listed."""
        if not self.problems:
            return self.settings
        return self._type()()

    def set(self, key: str, value: Any) -> None:
        """Change a value in memory; `save` writes it. Raises E002 where key or value is wrong."""
        path = keys.resolve(key, self._type())
        changed: dict[str, Any] = {}
        place(changed, path, value)
        if wrong := check.problems(changed, self._type(), lambda _: None):
            raise ConfigError("E002", wrong[0], wrong)
        document = self._document
        if not document.text and not self.exists:
            document = parse(default_text())
        self._take(with_value(document, path, value))

    def override(self, chosen: Mapping[str, Any]) -> None:
        """Set values above file and environment, as the command line does; not saved."""
        self.overrides |= {tuple(key.split(".")): value for key, value in chosen.items()}
        if not self.problems or self._document.values:
            self._take(self._document)

    def save(self) -> None:
        """Write the file, atomically; comments and order are kept."""
        write_atomically(self.path, self._document.text or default_text())
        self.exists = True

    def reload(self, accept: Callable[[Any], object] = lambda settings: None) -> None:
        """Read the file again. Where it is wrong: E002, and the old values stay.

        accept: gets the new settings; they are refused by what it raises, too.
        """
        kept = dict(self.__dict__)
        try:
            self._load()
            accept(self.settings)
        except MLIDSError:
            self.__dict__.update(kept)
            raise

    def shown(self, key: str) -> Any:
        """Like `get`, with secrets hidden."""
        value = self.get(key)
        prefix = ".".join(keys.resolve(key, self._type()))
        if not isinstance(value, dict):
            return dict(self.items())[prefix]
        shown = dict(value)
        for full, hidden in self.items():
            if hidden == HIDDEN and full.startswith(prefix + "."):
                place(shown, tuple(full[len(prefix) + 1 :].split(".")), HIDDEN)
        return shown

    def takes_text(self, key: str) -> bool:
        """True where the setting is a text, so that a typed `8.8` means that text."""
        field = next(f for path, f in check.all_keys(settings_type()) if ".".join(path) == key)
        try:
            msgspec.convert("\x00", field.type)
        except msgspec.ValidationError:
            return False
        return True

    def items(self) -> Iterator[tuple[str, Any]]:
        """Every key with its value, secrets hidden."""
        settings = self._tolerant()
        for path, field in check.all_keys(self._type()):
            value = msgspec.to_builtins(attribute(settings, path))
            secret = extra(field).get("secret") and value and not is_reference(value)
            yield ".".join(path), HIDDEN if secret else value


class ConfigValidator:
    """Tells everything that is wrong with a configuration."""

    def validate(self, config: ConfigManager | Mapping[str, Any] | str | FilePath) -> list[str]:
        """The problems of a manager, of values, or of a file, as texts; empty where it is right."""
        if isinstance(config, ConfigManager):
            return list(config.problems)
        if isinstance(config, Mapping):
            values, _ = without_slip(dict(config))
            return check.problems(values, settings_type(), lambda _: None)
        if not FilePath(config).is_file():
            return [str(MLIDSError("E001", f"{config} does not exist"))]
        return list(ConfigManager(config, environment={}).problems)


def create_default_config(path: str | os.PathLike[str] = "config.yaml") -> FilePath:
    """Write the commented default configuration, unless the file is there; returns its path."""
    target = FilePath(path)
    if not target.exists():
        write_atomically(target, default_text())
    return target


def _read(path: FilePath) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError("E002", problems=[f"the file is no UTF-8 text: {error}"]) from error
    except OSError as error:
        raise ConfigError("E002", problems=[f"it cannot be read: {error.strerror}"]) from error
