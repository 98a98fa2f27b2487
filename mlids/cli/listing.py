"""Stored events listed by `analyze`: as lines for people, as one JSON document, as they come."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import click
import msgspec

from mlids.cli import console
from mlids.encoders import cells, fitted, json_safe, terminal_safe
from mlids.events import Event, format_time
from mlids.query import parse

LISTED = 100  # lines of a list for people, unless --limit says otherwise
LOOK_S = 0.25  # how often new events are looked for
_COLUMNS = (19, 8, 18, 24)  # time, severity, type, entity; what happened has the rest


def table(events: Sequence[Event], count: Callable[[], int], limit: int) -> Iterator[bytes]:
    """One line an event, and what else there is; count: how many there are in all."""
    coloured = console.colours(sys.stdout)
    for event in events:
        shown = line(event) if coloured else click.unstyle(line(event))
        yield shown.encode("utf-8", "backslashreplace") + b"\n"
    total = count() if len(events) >= limit else len(events)
    more = (
        f", the last {len(events):,} shown (--limit, --format jsonl)" if total > len(events) else ""
    )
    console.note(f"{total:,} event{'' if total == 1 else 's'}{more}")


def line(event: Event) -> str:
    """Time, severity, type, entity and what happened, in columns."""
    details = event["details"]
    texts = (event["timestamp"][:19].replace("T", " "), event["severity"], event["type"])
    shown = [terminal_safe(text) for text in (*texts, event.entity)]
    padded = [_padded(text, width) for text, width in zip(shown, _COLUMNS, strict=True)]
    padded[1] = console.severity(shown[1])
    what = terminal_safe(details.get("description", ""), 300)
    return "  ".join([*padded, what]).rstrip()


def _padded(text: str, width: int) -> str:
    text = fitted(text, width)
    return text + " " * (width - cells(text))


def document(events: Iterable[Event], query: str, period: tuple[int, int]) -> Iterator[bytes]:
    """One JSON document, written as the events come."""
    head = {"query": query, "since": format_time(period[0]), "until": format_time(period[1])}
    yield msgspec.json.encode(head)[:-1] + b',"events":['
    total = 0
    for total, event in enumerate(events, 1):
        yield (b",\n" if total > 1 else b"\n") + json_safe(event.encoded())
    yield b'\n],"total":%d}\n' % total


def follow(folder: Path, query: str, kind: str) -> int:
    """Show events as they are stored, until Ctrl-C; kind: txt or jsonl."""
    from mlids.tail import Tail

    wanted = parse(query, time.time_ns())
    tail = Tail(folder)
    console.note(f"new events below {folder}; Ctrl-C ends")
    for event in tail.follow(_pause):
        if wanted.matches(event):
            shown = json_safe(event.encoded()).decode() if kind == "jsonl" else line(event)
            console.out(shown)
            sys.stdout.flush()
    return 0


def _pause() -> bool:
    time.sleep(LOOK_S)
    return False


def progress() -> Callable[[int, int], None]:
    """Tells on a terminal how far the preparation of segments is, once it takes over a second."""
    began = time.monotonic()

    def tell(done: int, of: int) -> None:
        if not sys.stderr.isatty() or time.monotonic() - began < 1:
            return
        end = "\n" if done >= of else ""
        click.echo(f"\rpreparing segments for questions: {done} of {of}{end}", err=True, nl=False)

    return tell
