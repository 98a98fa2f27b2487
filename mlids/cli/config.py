"""`config`: list, read, change, reset and check the configuration."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import click
import msgspec

from mlids.cli import console, settings
from mlids.config import ConfigManager, create_default_config
from mlids.config.keys import is_fixed
from mlids.errors import MLIDSError

ACTIONS = ("list_all", "get", "set_", "reset", "validate", "init", "schema")


@click.command(short_help="List, read, change, reset and check the settings.")
@click.option("--list", "list_all", is_flag=True, help="List every setting with its value.")
@click.option("--get", metavar="KEY", help="Print one setting, or a whole section.")
@click.option("--set", "set_", nargs=2, metavar="KEY VALUE", help="Change one setting in the file.")
@click.option("--reset", is_flag=True, help="Write the defaults; a backup of the file is kept.")
@click.option("--validate", is_flag=True, help="Tell every mistake in the file, with its line.")
@click.option("--init", is_flag=True, help="Write a commented file with every setting.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the file, for editors.")
@click.option(
    "--config", "path", default="config.yaml", show_default=True, help="The configuration file."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(ctx: click.Context, /, path: str, as_json: bool, **chosen: object) -> int:
    """Manage the settings of MLIDS.

    A KEY is a full name (thresholds.port_scan_threshold) or a short one where that is unambiguous
    (port_scan_threshold). The file is changed in place: comments and order stay.

    \b
    Examples:
      python index.py config --get port_scan_threshold
      python index.py config --set port_scan_threshold 15
      python index.py config --validate --config /etc/mlids/config.yaml
    """
    actions = [name for name in ACTIONS if chosen[name]]
    if len(actions) != 1:
        raise click.UsageError(
            "give exactly one of --list --get --set --reset --validate --init --schema", ctx
        )
    value = chosen[actions[0]]
    match actions[0]:
        case "list_all":
            return _list(settings.manager(ctx, path), as_json)
        case "get":
            folders = () if is_fixed(str(value)) else None  # plugins take long to load
            return _get(settings.manager(ctx, path, folders), str(value), as_json)
        case "set_":
            assert isinstance(value, tuple)
            return _set(settings.manager(ctx, path), *value)
        case "validate":
            return _validate(settings.manager(ctx, path), as_json)
        case "reset":
            return _reset(Path(path))
        case "init":
            return _init(Path(path))
        case _:
            from mlids.config.generate import json_schema

            console.out_json(json_schema())
            return 0


def _list(manager: ConfigManager, as_json: bool) -> int:
    items = dict(manager.items())
    if as_json:
        console.out_json(items)
    else:
        for key, value in items.items():
            console.out(f"{key} = {_text(value)}")
    return _tell_problems(manager)


def _get(manager: ConfigManager, key: str, as_json: bool) -> int:
    manager.raise_problems()
    value = manager.shown(key)
    if as_json:
        console.out_json(value)
    else:
        console.out(value if isinstance(value, str) else _text(value))
    return 0


def _set(manager: ConfigManager, key: str, text: str) -> int:
    from mlids.config.keys import read_value, resolve
    from mlids.config.schema import settings_type

    full = ".".join(resolve(key, settings_type()))
    value = read_value(text)
    if manager.takes_text(full) and not isinstance(value, list):
        value = text  # "8.8" or "no" for a text setting is that text
    manager.set(full, value)
    manager.save()
    console.note(f"{full} = {_text(manager.shown(full))} written to {manager.path}")
    _tell_problems(manager)
    return 0


def _validate(manager: ConfigManager, as_json: bool) -> int:
    from mlids import trial

    if not manager.problems:
        try:
            trial.require(manager.settings)
        except MLIDSError as error:
            manager.problems = [error.message]
    if as_json:
        console.out_json({"problems": manager.problems, "warnings": manager.warnings})
        return 1 if manager.problems else 0
    where = manager.path if manager.exists else "the defaults (there is no config.yaml)"
    if manager.problems:
        console.out(f"{where}: {len(manager.problems)} mistake(s)", fg="red")
    else:
        console.out(f"{where}: right", fg="green")
    return _tell_problems(manager)


def _tell_problems(manager: ConfigManager) -> int:
    for problem in manager.problems:
        console.out(f"  {problem}")
    for warning in manager.warnings:
        console.note(f"  warning: {warning}", fg="yellow")
    return 1 if manager.problems else 0


def _reset(path: Path) -> int:
    if path.exists():
        backup = _free(path.with_name(f"{path.name}.{time.strftime('%Y%m%dT%H%M%S')}"))
        shutil.copy2(path, backup)
        path.unlink()
        console.note(f"the old file is kept as {backup}")
    create_default_config(path)
    console.note(f"{path} holds the defaults now")
    return 0


def _free(path: Path) -> Path:
    """A name for a backup that no earlier one has."""
    backup, number = path.with_name(f"{path.name}.bak"), 2
    while backup.exists():
        backup, number = path.with_name(f"{path.name}-{number}.bak"), number + 1
    return backup


def _init(path: Path) -> int:
    if path.exists():
        raise MLIDSError("E002", f"{path} exists already", "use --reset to write the defaults")
    create_default_config(path)
    console.note(f"{path} written; every setting is in it, with its default")
    return 0


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
