"""Files that a reader, or a crash, sees whole: the old one or the new one."""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
from pathlib import Path

from mlids.errors import MLIDSError


def write_atomically(
    path: Path, content: str | bytes, mode: int = 0o640, sync: bool = True
) -> None:
    """Replace a file; one that was there keeps its mode.

    sync: wait until it is on the disk. Raises `MLIDSError` E004 (no right) or E106 (disk full).
    """
    data = content.encode() if isinstance(content, str) else content
    if path.exists():
        mode = path.stat().st_mode & 0o777
    target = path.resolve()
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
            Path(name).chmod(mode)
            Path(name).replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        code = "E004" if isinstance(error, PermissionError) else "E106"
        raise MLIDSError(code, f"cannot write {path}: {error.strerror}") from error


def sweep(path: Path) -> None:
    """Remove what writers of a file left that were killed; only where no other one writes it."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.????????"):
        left.unlink(missing_ok=True)
