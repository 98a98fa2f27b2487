"""Attacks in HTTP requests on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from mlids.batches import Detector, PacketBatch
from mlids.capture.addresses import Networks
from mlids.episodes import Episodes
from mlids.events import Event
from mlids.web import events, requests
from mlids.web.answers import Answers, Outcome, Waiting
from mlids.web.decoding import MOST_BYTES
from mlids.web.heads import LONGEST_NS, WAIT_NS, Head, Heads
from mlids.web.matching import SCAN, matcher, shown
from mlids.web.screening import needs_look
from mlids.web.segments import (
    SLOTS,
    Segment,
    Segments,
    among,
    segment,
    segments,
    slots,
    strays,
    suspicious,
    unfinished,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

Addresses = Annotated[list[str], msgspec.Meta(description="addresses or networks")]
QUIET_S = 600.0
WEB_PORTS = (
    80, 81, 591, 2082, 3000, 3128, 5000, 5601, 7001, 8000, 8008, 8080, 8081, 8088, 8181, 8880, 8888,
    9000, 9080, 9090, 9200,
)  # fmt: skip
LATE_NS = LONGEST_NS + 2 * WAIT_NS  # a request is told so much later at most


class WebPayloadSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Which requests are looked at, and how much is kept of those that are not complete."""

    min_confidence: Annotated[
        float,
        msgspec.Meta(ge=0, le=1, description="below: told only where the server refuses (4xx)"),
    ] = 0.35
    early_ports: Annotated[
        list[Annotated[int, msgspec.Meta(ge=1, le=65_535)]],
        msgspec.Meta(description="ports where pieces of a request are kept that come before it"),
    ] = msgspec.field(default_factory=lambda: list(WEB_PORTS))
    exclude_ips: Annotated[
        list[str],
        msgspec.Meta(
            description="neither clients nor servers", extra={"key": "network.exclude_ips"}
        ),
    ] = []
    ignore_sources: Annotated[
        list[str],
        msgspec.Meta(description="clients that may do it", extra={"key": "network.ignore_sources"}),
    ] = []
    ignore_targets: Annotated[
        list[str],
        msgspec.Meta(description="servers to leave out", extra={"key": "network.ignore_targets"}),
    ] = []
    max_heads: Annotated[
        int, msgspec.Meta(ge=16, le=100_000, description="unfinished requests kept")
    ] = 1024
    max_waiting: Annotated[
        int, msgspec.Meta(ge=16, le=1_000_000, description="attacks that wait for their answer")
    ] = 4096


class WebPayload(Detector[PacketBatch]):
    """Finds SQL injection, XSS, command injection, path traversal and scanners in HTTP requests.

    Any port counts: what begins like a request is one. A first look by vectors and one pattern over
    all requests of a batch leaves the few that are taken apart.
    """

    Settings = WebPayloadSettings
    settings: WebPayloadSettings

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        s = self.settings
        self._heads = Heads(s.max_heads)
        self._answers = Answers(s.max_waiting)
        self._scans = Episodes(QUIET_S)
        self._sources = Networks([*s.ignore_sources, *s.exclude_ips])
        self._targets = Networks([*s.ignore_targets, *s.exclude_ips])
        self._early = np.zeros(SLOTS, bool)
        self._early[s.early_ports] = True

    def inspect(self, batch: PacketBatch) -> Iterable[Event]:
        """The attacks of requests that were answered, or not in time."""
        said: list[Event] = []
        found = segments(batch)
        begins = self._begins(batch, found)
        pieces = strays(batch, found, self._early)
        goes_on, answers = self._followed(batch, found, begins | pieces)
        for at in np.flatnonzero(begins | pieces | goes_on | answers).tolist():
            one = segment(batch, int(found.rows[at]))
            said += self._expired(one.time_ns)
            if answers[at]:
                said += self._answered(one)
            if self._of_interest(one):
                for head in self._heads.take(one, bool(begins[at]), bool(pieces[at])):
                    said += self._examined(head)
        said += self._expired(batch.now)
        return [*said, *map(_of_application, self._scans.close(batch.now - LATE_NS))]

    def _begins(self, batch: PacketBatch, found: Segments) -> NDArray[np.bool_]:
        """Which segments begin a request that must be taken apart, or waited for."""
        begins = found.requests.copy()
        places = np.flatnonzero(begins)
        if len(places):
            rows = found.rows[places]
            begins[places] = suspicious(batch, rows) | unfinished(batch, rows)
        return begins

    def _followed(
        self, batch: PacketBatch, found: Segments, fresh: NDArray[np.bool_]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which segments may go on with a request, and which may answer one that is of interest.

        fresh: those of this batch with which a request may begin.
        """
        clients = self._heads.slots().union(slots(batch, found.rows[fresh]).tolist())
        servers = clients | self._answers.slots()
        goes_on, answers = np.zeros((2, len(found.rows)), bool)
        if clients:
            goes_on = among(slots(batch, found.rows), clients)
        if servers:
            at = np.flatnonzero(found.answers)
            answers[at] = among(slots(batch, found.rows[at], back=True), servers)
        return goes_on, answers

    def _of_interest(self, one: Segment) -> bool:
        key = one.key
        return not (
            self._sources.holds(key.src_hi, key.src_lo)
            or self._targets.holds(key.dst_hi, key.dst_lo)
        )

    def _answered(self, one: Segment) -> Iterator[Event]:
        for head in self._heads.answered(one):
            yield from self._examined(head)
        for waiting, outcome in self._answers.answer(one):
            yield from self._told(waiting, outcome)

    def _expired(self, now: int) -> list[Event]:
        said = [event for head in self._heads.expire(now) for event in self._examined(head)]
        for waiting, outcome in self._answers.expire(now):
            said += self._told(waiting, outcome)
        return said

    def _examined(self, head: Head) -> Iterator[Event]:
        """Take the requests of a head apart; those with findings wait for their answer."""
        if not needs_look(head.text):
            return
        behind = (head.seq + len(head.text)) % (1 << 32)
        skip = 0
        for text in requests.several(head.text[:MOST_BYTES]):
            request = requests.parse(text)
            verdict = matcher().examine(request) if request else None
            if not verdict or request is None:
                skip += 1
                continue
            waiting = Waiting(
                head.key,
                head.first_ns,
                head.last_ns,
                behind,
                list(verdict.findings),
                shown(request.method),
                shown(request.path),
                shown(request.host),
                head.places,
                skip,
            )
            skip = 0
            for gone, outcome in self._answers.wait(waiting):
                yield from self._told(gone, outcome)

    def _told(self, waiting: Waiting, outcome: Outcome) -> Iterator[Event]:
        least = 0.0 if 400 <= outcome.status < 500 else self.settings.min_confidence
        findings = [found for found in waiting.findings if found.confidence >= least]
        attacks = [found for found in findings if found.type != SCAN]
        if attacks:
            yield events.attack(waiting, outcome)
        for finding in findings[len(attacks) :][:1]:
            account = events.scan(waiting, outcome, finding)
            key = ("web-scan", account.details["ip"])
            yield from map(_of_application, self._scans.trigger(key, waiting.time_ns, account))

    def flush(self) -> Iterable[Event]:
        """Requests that were still unfinished or unanswered, and what was held back."""
        said = [event for head in self._heads.flush() for event in self._examined(head)]
        for waiting, outcome in self._answers.flush():
            said += self._told(waiting, outcome)
        return [*said, *map(_of_application, self._scans.flush())]

    def counts(self) -> dict[str, int]:
        """Requests that were told or examined early for lack of room."""
        return {
            "evicted_heads": self._heads.evicted,
            "evicted_waiting": self._answers.evicted,
            "evicted_episodes": self._scans.evicted,
        }

    def save(self) -> dict[str, Any]:
        """The state, as plain data."""
        return {
            "heads": self._heads.save(),
            "answers": self._answers.save(),
            "scans": self._scans.save(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._heads.restore(state["heads"])
        self._answers.restore(state["answers"])
        self._scans.restore(state["scans"])


def _of_application(event: Event) -> Event:
    return event.replace(source="application")
