"""Writes `config.yaml` and the reference pages from the code; a test holds them to it.

python -m docs.generate [--check]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from mlids import registry
from mlids.config.check import is_section
from mlids.config.edit import scalar
from mlids.config.generate import default, default_text, description, limits
from mlids.config.schema import UNUSED, settings_type
from mlids.errors import ERRORS
from mlids.events import TYPES

ROOT = Path(__file__).parents[1]
MADE = "<!-- Made by `make docs` from the code; edit the code, not this page. -->\n\n"


def pages() -> dict[str, str]:
    """Every generated file with its text."""
    return {
        "config.yaml": default_text(),
        "docs/reference/configuration.md": "".join(configuration()),
        "docs/reference/commands.md": "".join(commands()),
        "docs/reference/plugins.md": "".join(plugins()),
        "docs/reference/errors.md": "".join(errors()),
        "docs/reference/events.md": "".join(events()),
    }


def configuration() -> Iterator[str]:
    """Every key with default, limits and what it does."""
    yield "# Configuration\n\n" + MADE
    yield "Precedence: defaults < file < environment (`MLIDS_SECTION__KEY`) < command line.\n"
    yield from _section(settings_type(), ())


def _section(kind: type[msgspec.Struct], path: tuple[str, ...]) -> Iterator[str]:
    leaves = [f for f in msgspec.structs.fields(kind) if not is_section(f.type)]
    if path:
        about = (kind.__doc__ or "").split("\n")[0]
        yield f"\n{'#' * (len(path) + 1)} {'.'.join(path)}\n\n{about}\n"
    if leaves:
        yield "\n| key | default | limits | what it does |\n| --- | --- | --- | --- |\n"
    for field in leaves:
        why = UNUSED.get(".".join((*path, field.name)))
        note = f" (no effect: {why})" if why else ""
        shown = scalar(default(field)).replace("|", "\\|")
        yield f"| `{field.name}` | `{shown}` | {limits(field)} | {description(field)}{note} |\n"
    for field in msgspec.structs.fields(kind):
        if is_section(field.type):
            yield from _section(field.type, (*path, field.name))


def commands() -> Iterator[str]:
    """The --help of every command."""
    from mlids.cli import cli

    yield "# Commands\n\n" + MADE
    context = click.Context(cli, info_name="python index.py", terminal_width=98)
    yield f"```text\n{cli.get_help(context)}\n```\n"
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command
        inner = click.Context(command, info_name=name, parent=context, terminal_width=98)
        yield f"\n## {name}\n\n```text\n{command.get_help(inner)}\n```\n"
        for part in command.list_commands(inner) if isinstance(command, click.Group) else ():
            one = command.get_command(inner, part)
            assert one
            deeper = click.Context(one, info_name=part, parent=inner, terminal_width=98)
            yield f"\n### {name} {part}\n\n```text\n{one.get_help(deeper)}\n```\n"


def plugins() -> Iterator[str]:
    """Every plugin with its first words."""
    yield "# Plugins\n\n" + MADE
    for folder in registry.FOLDERS:
        found = registry.plugins(folder)
        if found:
            yield f"\n## {folder}\n\n| name | what it is |\n| --- | --- |\n"
        for name, plugin in found.items():
            yield f"| `{name}` | {(plugin.__doc__ or '').splitlines()[0]} |\n"


def errors() -> Iterator[str]:
    """Every error code."""
    yield "# Error codes\n\n" + MADE
    yield "The exit status is that of a command which the error ends.\n\n"
    yield "| code | what happened | what to do | exit status |\n| --- | --- | --- | --- |\n"
    for code, info in ERRORS.items():
        yield f"| `{code}` | {info.title} | {info.hint} | {info.exit_status} |\n"


def events() -> Iterator[str]:
    """Every event type that MLIDS itself knows."""
    yield "# Event types\n\n" + MADE
    yield "The list is open: `log_event` takes any name.\n\n"
    yield "| type | usual severity | source |\n| --- | --- | --- |\n"
    for name, (severity, source) in TYPES.items():
        yield f"| {name} | {severity} | {source} |\n"


def main() -> int:
    """Write what differs; with --check only tell, and exit 1."""
    stale = []
    for name, text in pages().items():
        path = ROOT / name
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    print("\n".join(stale) or "nothing to do")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
