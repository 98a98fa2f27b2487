"""Progress on the terminal, moved by a thread while the work goes on; and collecting seldom."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
from collections.abc import Callable, Iterator

Asked = Callable[[], tuple[int, int]]
LOOK_S = 0.2
FINE = 100_000  # parts of a share


@contextlib.contextmanager
def bar(title: str, progress: Asked) -> Iterator[None]:
    """Show bytes done of all (0: unknown), rate and time left, until the block ends."""
    from rich.progress import DownloadColumn, TransferSpeedColumn

    with _moving(lambda: title, progress, DownloadColumn(), TransferSpeedColumn()):
        yield


@contextlib.contextmanager
def phases(title: str, phase: Callable[[], str], progress: Asked) -> Iterator[None]:
    """Show one phase after another, each with its share (of an unknown amount: that it runs).

    phase: what it is about now, in words. Nothing is shown where nobody looks.
    """
    from rich.progress import TaskProgressColumn

    if not sys.stderr.isatty():
        yield
        return
    with _moving(lambda: f"{title}: {phase()}", progress, TaskProgressColumn()):
        yield


@contextlib.contextmanager
def counted(what: str, count: Callable[[], int], share: Callable[[], float]) -> Iterator[None]:
    """Show how many there are so far, how many a second, the share done and the time left.

    what: is counted; share: 0 to 1. Nothing is shown where nobody looks.
    """
    from rich.progress import ProgressColumn, Task, TaskProgressColumn
    from rich.text import Text

    if not sys.stderr.isatty():
        yield
        return

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            rate = count() / max(task.elapsed or 0.0, LOOK_S)
            return Text(f"{count():,} {what}, {rate:,.0f}/s")

    shares = lambda: (round(share() * FINE), FINE)  # noqa: E731
    with _moving(lambda: "", shares, TaskProgressColumn(), Rate()):
        yield


@contextlib.contextmanager
def _moving(title: Callable[[], str], progress: Asked, *columns: object) -> Iterator[None]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    shown: tuple[object, ...] = (TextColumn("{task.description}"), BarColumn(), *columns)
    view = Progress(*shown, TimeRemainingColumn(), console=Console(stderr=True), transient=True)  # type: ignore[arg-type]
    done = threading.Event()

    def move() -> None:
        name = title()
        task = view.add_task(name, total=None)
        while not done.wait(LOOK_S):
            completed, total = progress()
            if title() != name:  # time left is reckoned for each phase
                name = title()
                view.reset(task, description=name)
            view.update(task, completed=completed, total=total or None)

    with view:
        thread = threading.Thread(target=move, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


@contextlib.contextmanager
def rare_collections() -> Iterator[None]:
    """Look for cycles seldom: work that makes many objects, hardly a cycle, and soon ends."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
