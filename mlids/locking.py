"""One writer a folder: a lock that the kernel lets go of when its process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from mlids.errors import MLIDSError

NAME = "mlids.lock"
ATTEMPTS = 20


class FolderLock:
    """The right to write to a folder; the file names the process that has it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._handle = -1

    def acquire(self) -> None:
        """Take it. Raises `MLIDSError` E006 (another process has it), E004 or E106."""
        handle = self._opened()
        for attempt in range(ATTEMPTS):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                other = holder(self.folder)
                if other is None and attempt < ATTEMPTS - 1:
                    time.sleep(0.01)  # somebody only looked whether it is held
                    continue
                os.close(handle)
                raise MLIDSError("E006", f"{self.folder} is in use by process {other}") from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._handle = handle

    def release(self) -> None:
        """Give it back; harmless where it is not held."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def intact(self) -> bool:
        """True while it is held and its file is there, so that others see it."""
        if self._handle < 0:
            return False
        try:
            found = (self.folder / NAME).stat()
        except OSError:
            return False
        return os.path.samestat(found, os.fstat(self._handle))

    def _opened(self) -> int:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self.folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            code = "E004" if isinstance(error, PermissionError) else "E106"
            raise MLIDSError(code, f"{self.folder}: {error.strerror}") from error


def holder(folder: Path) -> int | None:
    """The process that has the lock of this folder, None where none has it."""
    try:
        handle = os.open(folder / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        text = os.pread(handle, 32, 0).decode(errors="replace").strip()
        return int(text) if text.isdigit() else 0
    else:
        return None
    finally:
        os.close(handle)
