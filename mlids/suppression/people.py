"""Who does something at this machine, as its records name people."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

_NOBODY = 4_294_967_295  # the kernel's loginuid of who never logged in: a service


def login_name() -> str:
    """The user who runs this process, with the one who logged in where that is another.

    The kernel is asked, not the environment, which anybody may change.
    """
    runs = _name(os.getuid())
    try:
        login = int(Path("/proc/self/loginuid").read_text())
    except (OSError, ValueError):
        login = _NOBODY
    return runs if login in (_NOBODY, os.getuid()) else f"{_name(login)} as {runs}"


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
