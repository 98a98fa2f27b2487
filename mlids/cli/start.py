"""`start`: watch this machine until it is told to stop."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import click

from mlids import privileges
from mlids.cli import console, live, settings
from mlids.config import ConfigManager
from mlids.errors import MLIDSError


@click.command(short_help="Watch the network, the files and the logs of this machine.")
@click.option("--interface", multiple=True, metavar="I", help="Network interface (auto: found).")
@click.option(
    "--dir", "directory", multiple=True, metavar="D", help="Folder to watch (default: .)."
)
@click.option(
    "--app-log",
    multiple=True,
    metavar="F",
    help="Log file, folder, glob, or - (default: the host's own).",
)
@click.option("--config", "path", default="config.yaml", show_default=True, help="Settings.")
@click.option("--tcp-sink", is_flag=True, help="Send every event as a JSON line to a TCP server.")
@click.option("--tcp-host", metavar="H", help="Its host (default: localhost).")
@click.option(
    "--tcp-port", metavar="P", type=click.IntRange(1, 65535), help="Port (default: 9999)."
)
@click.option("--websocket-sink", is_flag=True, help="Serve every event to WebSocket clients.")
@click.option("--websocket-host", metavar="H", help="Address to serve at (default: localhost).")
@click.option(
    "--websocket-port", metavar="P", type=click.IntRange(1, 65535), help="Port (default: 8080)."
)
@click.option("--duration", metavar="SECONDS", type=click.FloatRange(0), help="Stop after so long.")
@click.option("--ready-file", metavar="F", help="Write the process id there once everything runs.")
@click.option("--verbose", is_flag=True, help="Say more in logs/mlids.log and on the console.")
@click.option("--debug", is_flag=True, help="Say everything in logs/mlids.log.")
@click.option("--json", "as_json", is_flag=True, help="Print each event as a JSON line, only that.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> int:
    """Watch this machine and tell attacks from noise, until Ctrl-C.

    Without options: the interface with the default route, the current folder, and the logs that
    this host keeps. Options may be given several times. What may not be read is said once, with the
    fix, and the rest runs. Events are stored in logs/mlids.jsonl.

    \b
    Examples:
      python index.py start
      python index.py start --interface eth0 --dir /etc --app-log /var/log/auth.log
      python index.py start --tcp-sink --tcp-host 192.0.2.9 --tcp-port 514
    \b
    Scripts know that it is ready by --ready-file, by `status --wait 30`, or by systemd's notify.
    SIGHUP reads the configuration again.
    """
    manager = settings.manager(ctx, options["path"])
    manager.override(_overrides(options))
    manager.raise_problems()
    # Before there is any other thread: rights are given up by each thread for itself.
    chosen = manager.settings
    ports = [chosen.sinks.websocket.port] if chosen.sinks.websocket.enabled else []
    ports += _ports(chosen.monitors.syslog.listen)
    privileges.drop(privileges.needed(Path(chosen.logging.logs_dir), ports))
    return _Session(manager, options).run()


def _ports(listen: list[str]) -> list[int]:
    """Where the syslog listener listens; what is no endpoint is told when it is built."""
    if not listen:
        return []
    from mlids.lines.endpoints import endpoint

    found = []
    for text in listen:
        with contextlib.suppress(ValueError):
            found.append(endpoint(text).port)
    return found


def _overrides(options: dict[str, Any]) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    for option, key in (
        ("interface", "interface"),
        ("directory", "directory"),
        ("app_log", "app_log"),
    ):
        if options[option]:
            chosen[f"monitoring.{key}"] = list(options[option])
    for sink in ("tcp", "websocket"):
        asked = [options[f"{sink}_{what}"] for what in ("sink", "host", "port")]
        if any(asked):
            chosen[f"sinks.{sink}.enabled"] = True
        for what in ("host", "port"):
            if options[f"{sink}_{what}"]:
                chosen[f"sinks.{sink}.{what}"] = options[f"{sink}_{what}"]
    if options["verbose"] or options["debug"]:
        chosen["logging.level"] = "DEBUG" if options["debug"] else "INFO"
    if options["as_json"]:
        chosen["notifiers.console.enabled"] = False
    return chosen


class _Session:
    """One run of MLIDS at a terminal, under a service manager or from a script."""

    def __init__(self, manager: ConfigManager, options: dict[str, Any]) -> None:
        from mlids.app import MLIDS

        self.options = options
        self.app = MLIDS(config=manager, strict=False, tell=console.tell)
        self.ending = threading.Event()
        self.reloading = threading.Event()
        if options["as_json"]:
            self.app.register_handler(_json_lines())

    def run(self) -> int:
        """Start, wait for the end, stop; returns the exit status."""
        handlers = {signal.SIGINT: self._end, signal.SIGTERM: self._end}
        if hasattr(signal, "SIGHUP"):
            handlers[signal.SIGHUP] = self._reload
        for number, handler in handlers.items():
            signal.signal(number, handler)
        self.app.on_built = self._say_what_is_watched
        self.app.start()
        try:
            self._be_ready()
            self._wait()
        finally:
            _notify("STOPPING=1")
            self.app.stop()
            self._ready_file_gone()
        console.note("MLIDS stopped; everything is stored.", dim=True)
        return 0

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.ending.set()

    def _reload(self, number: int, frame: FrameType | None) -> None:
        self.reloading.set()

    def _say_what_is_watched(self) -> None:
        status = self.app.status()
        console.note(click.style("MLIDS", bold=True) + f" {status.version} watches")
        for line in live.inputs(status, counts=False):
            console.note(line)
        console.note(
            f"  events are stored in {status.logs_dir}/mlids.jsonl; Ctrl-C stops", dim=True
        )
        for warning in self.app.config.warnings:
            console.note(f"  warning: {warning}", fg="yellow")

    def _be_ready(self) -> None:
        if name := self.options["ready_file"]:
            try:
                Path(name).write_text(f"{os.getpid()}\n")
            except OSError as error:
                hint = "choose another place for --ready-file"
                console.tell(MLIDSError("E106", f"cannot write {name}: {error.strerror}", hint))
        _notify("READY=1")

    def _ready_file_gone(self) -> None:
        if self.options["ready_file"]:
            with contextlib.suppress(OSError):
                Path(self.options["ready_file"]).unlink()

    def _wait(self) -> None:
        until = time.monotonic() + self.options["duration"] if self.options["duration"] else None
        live_view = sys.stdout.isatty() and not self.options["as_json"]
        with _footer(self.app) if live_view else contextlib.nullcontext(lambda: None) as refresh:
            while not self.ending.is_set() and (until is None or time.monotonic() < until):
                rest = 1.0 if until is None else min(1.0, max(0.0, until - time.monotonic()))
                self.ending.wait(rest)
                if self.reloading.is_set():
                    self.reloading.clear()
                    self._read_again()
                refresh()

    def _read_again(self) -> None:
        try:
            self.app.reload()
            console.note("configuration read again", dim=True)
        except MLIDSError as error:
            self.app.tell(error)
            console.note("the old configuration stays in force", fg="yellow")


@contextlib.contextmanager
def _footer(app: Any) -> Iterator[Any]:
    """A live view below the scrolling events, once a second."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    def text() -> Text:
        status = app.status()
        lines = [live.headline(status), *live.inputs(status), *live.sinks(status)]
        found = Text.from_ansi("\n".join(["", *lines]))
        found.no_wrap, found.overflow = True, "ellipsis"
        return found

    terminal = Console(no_color=not console.colours(sys.stdout))
    with Live(text(), console=terminal, auto_refresh=False, transient=True) as view:
        yield lambda: view.update(text(), refresh=True)


def _json_lines() -> Any:
    from mlids.events import Event, EventHandler

    class JsonLines(EventHandler):
        """Prints each event as a line of JSON."""

        def handle_event(self, event: Event) -> None:
            sys.stdout.buffer.write(event.encoded() + b"\n")
            sys.stdout.buffer.flush()

    return JsonLines()


def _notify(state: str) -> None:
    """Tell systemd (Type=notify), where it asked to be told."""
    if not (address := os.environ.get("NOTIFY_SOCKET")):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.connect("\0" + address[1:] if address.startswith("@") else address)
        link.send(state.encode())
