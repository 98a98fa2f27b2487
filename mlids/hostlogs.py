"""Where this host keeps its logs: what `app_log: auto` means."""

from __future__ import annotations

import shutil
from pathlib import Path

AUTH = ("var/log/auth.log", "var/log/secure")
OTHERS = ("var/log/syslog", "var/log/messages")
WEB = (
    "var/log/nginx/access.log",
    "var/log/nginx/error.log",
    "var/log/apache2/access.log",
    "var/log/apache2/other_vhosts_access.log",
    "var/log/apache2/error.log",
    "var/log/httpd/access_log",
    "var/log/httpd/error_log",
)
JOURNALS = ("var/log/journal", "run/log/journal")


def found(root: Path = Path("/")) -> list[str]:
    """The log files that this host has, readable or not."""
    names = AUTH + OTHERS + WEB
    return [str(root / name) for name in names if (root / name).is_file()]


def journal_needed(root: Path = Path("/")) -> bool:
    """True where logins are only in the journal.

    Where a syslog daemon writes auth.log or secure as well, reading both would count each login
    twice, so the file is enough.
    """
    if any((root / name).is_file() for name in AUTH) or shutil.which("journalctl") is None:
        return False
    return any((root / name).is_dir() for name in JOURNALS)
