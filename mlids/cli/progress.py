"""A progress bar on the terminal, moved by a thread while the work goes on."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def bar(title: str, progress: Callable[[], tuple[int, int]]) -> Iterator[None]:
    """Show bytes done of all (0: unknown), rate and time left, until the block ends."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (TextColumn(title), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    view = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
    done = threading.Event()

    def move(task: object) -> None:
        while not done.wait(0.2):
            completed, total = progress()
            view.update(task, completed=completed, total=total or None)  # type: ignore[arg-type]

    with view:
        thread = threading.Thread(
            target=move, args=(view.add_task(title, total=None),), daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
