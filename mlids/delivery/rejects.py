"""Where events go that a sink will never take: one JSON line each, with the reason."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from mlids.events import Event

MAX_BYTES = 16 << 20  # then the file becomes <name>.1, in place of an older one


def file_name(name: str) -> str:
    """A file name for a delivery's name, whatever that holds; different ones stay different."""
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:60]
    if safe == name and safe:
        return safe
    return f"{safe}-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:8]}"


class Rejects:
    """A file of rejected events (`{"reason": …, "event": {…}}`); path None keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    @property
    def place(self) -> str:
        """Where they are kept, for a sentence that tells of them."""
        return f" (kept in {self.path})" if self.path else ""

    def keep(self, events: Sequence[Event], reason: str) -> None:
        """Write them down; a disk that takes nothing changes nothing else."""
        if self.path is None:
            return
        lines = [
            msgspec.json.encode({"reason": reason, "event": msgspec.Raw(event.encoded())}) + b"\n"
            for event in events
        ]
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.path.exists() and self.path.stat().st_size > MAX_BYTES:
                self.path.replace(self.path.with_name(self.path.name + ".1"))
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
            with os.fdopen(os.open(self.path, flags, 0o600), "ab") as file:
                file.write(b"".join(lines))
