"""Web Scan in logs: who asks for what is not there, and who carries the marks of a scanner.

No single request needs to look bad: a source that asks for many different things which fail, and
for little else, looks around. Known scanners, and requests for what nobody links to, are told by
their marks (`rules/web/scan.yaml`).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

import msgspec

from mlids import addresses
from mlids.batches import Detector, LineBatch
from mlids.episodes import Account, Episodes
from mlids.events import Event
from mlids.volume import NS
from mlids.web.attacks import details
from mlids.web.failures import Failure, Failures
from mlids.web.logged import Logged, requests, tells_requests
from mlids.web.matching import SCAN, Finding, shown
from mlids.web.usual import Answer
from mlids.windows import Mark, Windows, within

SURE = 0.5  # a mark less sure than this is told only where the server knows no such thing
NAMED = 10
QUIET_S = 600.0
PATH, WELL, PLACE, SHOWN = 1, 2, 3, 4  # fields of a mark, after its time


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Settings of the web scan detector.

    The first horizon is what CrowdSec's http-probing uses: 10 different paths at once.
    """

    threshold: Annotated[
        int,
        msgspec.Meta(ge=2, le=1000, description="Different failing paths within a minute"),
    ] = 10
    medium_threshold: Annotated[
        int,
        msgspec.Meta(ge=2, le=1000, description="Different failing paths within 10 minutes"),
    ] = 25
    long_threshold: Annotated[
        int, msgspec.Meta(ge=2, le=1000, description="Different failing paths within 24 hours")
    ] = 60
    share: Annotated[
        float,
        msgspec.Meta(ge=0, le=1, description="Least share of failures in a source's requests"),
    ] = 0.5
    max_keys: Annotated[int, msgspec.Meta(ge=100, description="Sources remembered")] = 20_000


class WebScan(Detector[LineBatch]):
    """Finds scanners in access logs, by what they ask for and by how much of it fails."""

    Settings = Settings
    kind = LineBatch

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        chosen = self.settings
        self._horizons = (
            (chosen.threshold, 60),
            (chosen.medium_threshold, 600),
            (chosen.long_threshold, 86_400),
        )
        keep = 2 * max(threshold for threshold, _ in self._horizons)
        self._failures = Failures(chosen.max_keys)
        self._windows = Windows(keep, 86_400 * NS, chosen.max_keys)
        self._episodes = Episodes(QUIET_S, chosen.max_keys, source="application")

    def inspect(self, batch: LineBatch) -> Iterable[Event]:
        """What the requests of a batch add up to."""
        if not len(batch) and batch.now:
            yield from self._episodes.close(batch.now)
        if not tells_requests(batch):
            return
        seen: list[tuple[int, Any]] = [(one.row, one) for one in self._failures.of(batch)]
        seen += [(one.row, one) for one in requests(batch) if one.verdict]
        for _, one in sorted(seen, key=lambda pair: pair[0]):
            yield from self._episodes.close(one.time_ns)
            if isinstance(one, Failure):
                yield from self._failed(batch, one)
            else:
                yield from self._marked(batch, one)

    def _failed(self, batch: LineBatch, failure: Failure) -> Iterator[Event]:
        if not failure.counts:
            return
        place = tuple(batch.evidence(failure.row).values())
        path = shown(failure.path, 60)
        mark = (failure.time_ns, zlib.crc32(failure.path), failure.well, place, path)
        for key in addresses.keys(failure.source)[:1]:
            ring = self._windows.add(key, mark)
            found = self._breadth(ring)
            if found is not None or ("probing", key) in self._episodes:
                account = _probing(failure, ring, found or self._horizons[0], batch)
                yield from self._episodes.trigger(("probing", key), ring[-1][0], account)

    def _breadth(self, ring: Sequence[Mark]) -> tuple[int, int] | None:
        """The horizon that a source's failures reach."""
        now = ring[-1][0]
        for threshold, window_s in self._horizons:
            if len(ring) < threshold:
                return None
            recent = within(ring, now, window_s * NS)
            well = sum(mark[WELL] for mark in recent[1:])
            enough = len(recent) >= self.settings.share * (len(recent) + well)
            if enough and len({mark[PATH] for mark in recent}) >= threshold:
                return threshold, window_s
        return None

    def _marked(self, batch: LineBatch, logged: Logged) -> Iterator[Event]:
        assert logged.verdict is not None
        for finding in logged.verdict.findings:
            if finding.type != SCAN or (finding.confidence < SURE and logged.status != 404):
                continue
            key = ("mark", logged.src or logged.peer, finding.rule)
            account = _mark(batch, logged, finding)
            yield from self._episodes.trigger(key, logged.time_ns, account)

    def flush(self) -> Iterable[Event]:
        """Tell what was held back."""
        return self._episodes.flush()

    def save(self) -> dict[str, Any]:
        """Windows, and what is held back."""
        return {
            "failures": self._failures.save(),
            "windows": self._windows.save(),
            "episodes": self._episodes.save(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._failures.restore(state["failures"])
        self._windows.restore(state["windows"])
        self._episodes.restore(state["episodes"])

    def counts(self) -> dict[str, int]:
        """Sources that were forgotten before their time."""
        evicted = self._failures.evicted + self._windows.evicted + self._episodes.evicted
        return {"evicted": evicted}


def _probing(
    failure: Failure, ring: Sequence[Mark], reached: tuple[int, int], batch: LineBatch
) -> Account:
    threshold, window_s = reached
    recent = within(ring, ring[-1][0], window_s * NS)
    paths = list(dict.fromkeys(mark[SHOWN] for mark in reversed(recent)))
    count = len({mark[PATH] for mark in recent})
    well = sum(mark[WELL] for mark in recent[1:])
    address = addresses.normalise(failure.source)
    who = {"ip": address} if address else {"source_host": failure.source}
    names = list(batch.evidence(failure.row))
    return Account(
        type=SCAN,
        severity="MEDIUM",
        rule="web_scan/probing",
        details={
            **who,
            **({"target": failure.host} if failure.host else {}),
            "protocol": "TCP",
            "description": f"{SCAN}: {failure.source} asked for {count} different things that"
            f" are not to be had, such as {paths[0]}",
            "metadata": {
                "technique": "probing",
                "paths": paths[:NAMED],
                "failed": len(recent),
                "succeeded": well,
                "threshold": threshold,
                "window_s": window_s,
            },
        },
        explanation=f"{count} different paths failed (threshold {threshold}) within {window_s} s,"
        f" {well} requests in between did not",
        evidence=[
            dict(zip(names, mark[PLACE], strict=True)) for mark in list(reversed(recent))[:NAMED]
        ],
        techniques=["T1595.002", "T1595.003"],
        tags=["web", "scan"],
        confidence=0.8,
    )


def _mark(batch: LineBatch, logged: Logged, finding: Finding) -> Account:
    answer = Answer("unknown", f"the server answered {logged.status or 'unknown'}", -1)
    return Account(
        type=SCAN,
        severity="MEDIUM",
        rule=f"web_scan/{finding.rule}",
        details=details(logged, finding, answer),
        explanation=f"{finding.part} holds {finding.text!r}, a mark of scanners; one such request"
        f" is enough; {answer.why}",
        evidence=[batch.evidence(logged.row)],
        techniques=list(finding.techniques),
        tags=["web", "scan"],
        confidence=finding.confidence,
    )
