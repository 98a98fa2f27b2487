"""Files that a command writes for its user."""

from __future__ import annotations

import os
import webbrowser
from collections.abc import Iterable
from pathlib import Path

from mlids.cli import console
from mlids.errors import MLIDSError


def written(path: Path, content: Iterable[bytes]) -> Path:
    """Write a file piece by piece; it has its name only once it is whole.

    Raises `MLIDSError` E004 (no right) or E106 (no room, no such folder).
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                for piece in content:
                    file.write(piece)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        code = "E004" if isinstance(error, PermissionError) else "E106"
        raise MLIDSError(
            code, f"cannot write {path}: {error.strerror}", "choose another"
        ) from error
    return path


def show(path: Path) -> None:
    """Open a file in the browser, where there is one to see it with."""
    sees = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or os.name != "posix"
    if not (sees and webbrowser.open(path.resolve().as_uri())):
        console.note(f"no browser could be opened; the report is {path.resolve()}")
