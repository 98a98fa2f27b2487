"""Stored logins as batches, so that the detectors that count logins can count them again.

Each Failed Login and Successful Login is one attempt already (see `mlids.logins.attempts`), so each
is given to the detectors as a connection of its own. The lines themselves are not needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count, groupby
from typing import Any

import numpy as np

from mlids import addresses
from mlids.backtest.spells import text
from mlids.batches import LineBatch
from mlids.events import Event
from mlids.logins import records
from mlids.logins.records import Login

COUNTERS = ("brute_force", "impossible_travel")
"""The detectors that look at nothing but logins."""
OUTCOMES = {"Failed Login": "failure", "Successful Login": "success"}
RULE = "login/"
_MOST = 1 << 62
Place = tuple[str, int, int]


def is_sign(event: Event) -> bool:
    """Whether an event is a login as the detector `login` stores it."""
    return event["type"] in OUTCOMES and text(event.get("rule")).startswith(RULE)


class Signs:
    """Makes batches of stored logins. folders: of rules, as the detectors have them."""

    def __init__(self, folders: tuple[str, ...]) -> None:
        self._folders = folders
        self._numbers = count(1)

    def batches(self, events: Iterable[Event]) -> Iterator[LineBatch]:
        """The logins among these events, in their order; one batch for what one source says."""
        placed = ((place(event), event) for event in events if is_sign(event))
        for source, group in groupby(placed, key=lambda pair: pair[0][0]):
            yield self._batch(source, list(group))

    def _batch(self, source: str, found: list[tuple[Place, Event]]) -> LineBatch:
        starts = np.array([where[2] for where, _ in found], dtype=np.int64)
        numbers = np.array([where[1] for where, _ in found], dtype=np.int64)
        batch = LineBatch(b"", starts, starts, numbers, source)
        logins = [self._login(row, event) for row, (_, event) in enumerate(found)]
        records.remember(batch, self._folders, logins)
        return batch

    def _login(self, row: int, event: Event) -> Login:
        details = event["details"]
        exists, port = details.get("user_exists"), details.get("port")
        return Login(
            row=row,
            time_ns=event.time_ns,
            outcome=OUTCOMES[event["type"]],
            user=text(details.get("user")),
            src=addresses.normalise(text(details.get("ip"))),
            peer=text(details.get("source_host")),
            port=port if isinstance(port, int) else 0,
            method=text(details.get("method")),
            service=text(details.get("service")),
            exists=exists if isinstance(exists, bool) else None,
            rule=text(event.get("rule")).removeprefix(RULE),
            sign="stored",
            times=1,
            machine=text(details.get("target")),
            pid="",
            session=str(next(self._numbers)),
        )


def place(event: Event) -> Place:
    """Source, line and offset of the deciding evidence; ("", 0, 0) where there is none."""
    first = evidence(event)
    return text(first.get("source")), _count(first.get("line")), _count(first.get("offset"))


def evidence(event: Event) -> dict[str, Any]:
    """The deciding place of an event's evidence; empty where there is none."""
    places = event.get("evidence")
    first = places[0] if isinstance(places, list) and places else None
    return first if isinstance(first, dict) else {}


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < _MOST else 0
