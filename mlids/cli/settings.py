"""The settings that a command runs with: those of ``--config``, or of ``config.yaml``, if any."""

from __future__ import annotations

from collections.abc import Sequence

import click

from mlids.config import ConfigManager
from mlids.errors import MLIDSError


def manager(ctx: click.Context, path: str, folders: Sequence[str] | None = None) -> ConfigManager:
    """The configuration at `path`, the value of the command's parameter of that name.

    folders: the kinds of plugins whose settings are wanted, None for all.

    An absent default file means defaults; one that was named and is absent is E001.
    """
    given = ctx.get_parameter_source("path") is not click.core.ParameterSource.DEFAULT
    found = ConfigManager(path, folders=folders)
    if given and not found.path.exists():
        raise MLIDSError("E001", f"{path} does not exist")
    return found
