"""The diagnostics log, `mlids.log`: what MLIDS says about itself, apart from the events."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from mlids.errors import MLIDSError

_ROOT = logging.getLogger("mlids")
# Libraries whose warnings belong there too, instead of on the user's terminal.
_LIBRARIES = [logging.getLogger(name) for name in ("watchdog", "websockets", "httpx2", "asyncio")]


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        entry = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


class _Log(RotatingFileHandler):
    """Begins a new file where somebody removed or replaced the old one."""

    def shouldRollover(self, record: logging.LogRecord) -> bool | int:  # noqa: N802
        if self.stream is not None and not self._is_there(self.stream.fileno()):
            self.stream.close()
            self.stream = None
        return super().shouldRollover(record)

    def close(self) -> None:
        """Close the file; a full disk, which is told elsewhere, does not hinder the end."""
        with contextlib.suppress(OSError):
            super().close()

    def _is_there(self, handle: int) -> bool:
        try:
            found = Path(self.baseFilename).stat()
        except OSError:
            return False
        return os.path.samestat(found, os.fstat(handle))

    def _open(self) -> TextIOWrapper:
        Path(self.baseFilename).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return super()._open()


def start(folder: Path, level: str, format: str, max_size: int, backups: int) -> None:
    """Write to `folder/mlids.log` from now on; replaces an earlier start."""
    stop()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Opened at the first record: an idle or a refused start leaves no file behind.
        handler = _Log(
            folder / "mlids.log",
            maxBytes=max_size,
            backupCount=backups,
            encoding="utf-8",
            delay=True,
        )
    except OSError as error:
        raise MLIDSError("E004", f"{folder}: {error.strerror}") from error
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if format == "json" else text)
    handler.handleError = lambda record: None  # type: ignore[method-assign]  # a full disk is told elsewhere
    for logger in (_ROOT, *_LIBRARIES):
        logger.addHandler(handler)
    _ROOT.setLevel(level)
    _ROOT.propagate = False


def stop() -> None:
    """Close the log; later records go nowhere."""
    for handler in list(_ROOT.handlers):
        if isinstance(handler, RotatingFileHandler):
            for logger in (_ROOT, *_LIBRARIES):
                logger.removeHandler(handler)
            handler.close()
