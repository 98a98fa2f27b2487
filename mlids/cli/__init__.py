"""The command line: one command a file, each with an object named `command`.

Heavy packages are made lazy here, so that a command pays only for what it uses.
"""

from __future__ import annotations

import gc
import importlib
import pkgutil
import sys
from collections.abc import Collection
from typing import Any

import click

from mlids import __version__
from mlids.cli import lazy, streams

HEAVY = ("numpy", "re2", "ssl", "asyncio")
NOT_COMMANDS = (
    *("asked", "console", "files", "lazy", "listing", "live", "output", "paint", "progress"),
    *("scanned", "settings", "streams", "times"),
)


def main() -> None:
    """Run the command line and exit with its status."""
    streams.mend()
    lazy.install(HEAVY)
    gc.set_threshold(20_000, 20, 20)  # imports make objects that stay; looking at each is a tenth
    from mlids.cli.console import run

    sys.exit(run(cli))


class Commands(click.Group):
    """Finds commands as files of a package; imports only the one that is called.

    package: its name; apart: files in it that are no commands.
    """

    def __init__(self, *, package: str, apart: Collection[str] = (), **attributes: Any) -> None:
        super().__init__(**attributes)
        self.package = package
        self.apart = apart

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands: those of their files, with hyphens."""
        names = (file.name for file in pkgutil.iter_modules(sys.modules[self.package].__path__))
        return sorted(name.replace("_", "-") for name in names if name not in self.apart)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of a name."""
        if name not in self.list_commands(ctx):
            return None
        module: Any = importlib.import_module(f"{self.package}.{name.replace('-', '_')}")
        command: click.Command = module.command
        return command


@click.group(
    cls=Commands,
    package=__name__,
    apart=NOT_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Begin with: python index.py start    (no configuration, no root needed)",
)
@click.version_option(__version__, "--version", message="MLIDS %(version)s")
def cli() -> None:
    """MLIDS watches the network, the files and the logs of a machine and tells attacks from noise.

    Every command has a --help of its own. Exit status: 0 fine, 1 something was found, 2 wrong use,
    3 an error, 75 try again later, 130 interrupted.
    """
