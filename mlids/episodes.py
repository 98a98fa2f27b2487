"""Detections that go on, told by the volume law: each with what is said of it the last time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

import msgspec

from mlids.events import Event, detection_id
from mlids.volume import Repeats, Telling

MOST_EVIDENCE = 10
Key = tuple[Any, ...]


class Account(msgspec.Struct, array_like=True):
    """What one trigger says; of an episode that goes on, the latest is told."""

    type: str
    severity: str
    rule: str
    details: dict[str, Any]  # with `metadata`; `suppressed` and `triggers` are added when told
    explanation: str
    evidence: list[dict[str, Any]]  # the deciding place first
    techniques: list[str] = []
    tags: list[str] = []
    confidence: float = 1.0


class Episodes:
    """Repeats by key, and the account of each.

    A key is a tuple whose first part is its kind. Of one kind at most `most` episodes are told
    apart at a time; what comes beyond them is one more episode, so that random addresses make no
    flood of events.

    quiet_s: an episode ends after so many seconds without a trigger; keys: most episodes kept;
    source: of the events.
    """

    def __init__(
        self, quiet_s: float, keys: int = 10_000, most: int = 200, source: str = "network"
    ) -> None:
        self._source = source
        self._repeats = Repeats(quiet_s, keys)
        self._accounts: dict[Key, Account] = {}
        self._most = most
        self._live: dict[Any, dict[Key, int]] = {}  # by kind: when each was triggered last

    def __contains__(self, key: Key) -> bool:
        return self._repeats.first_seen(key) is not None

    @property
    def evicted(self) -> int:
        """Episodes that gave way to others."""
        return self._repeats.evicted

    def trigger(self, key: Key, time_ns: int, account: Account) -> Iterator[Event]:
        """Count one trigger; yields what is to be told now."""
        key = self._folded(key, time_ns)
        for telling in self._repeats.trigger(key, time_ns):
            # A telling of the same key that is older closes the episode before.
            mine = telling.key == key and telling.last_ns == time_ns
            yield self._event(account if mine else self._account(telling), telling)
        self._accounts[key] = account
        if len(self._accounts) > 2 * self._repeats.keys:
            self._accounts = {k: a for k, a in self._accounts.items() if k in self}

    def _folded(self, key: Key, time_ns: int) -> Key:
        """The key itself, or that of all others of its kind where there are too many."""
        live = self._live.setdefault(key[0], {})
        oldest = next(iter(live), None)
        while oldest is not None and time_ns - live[oldest] > self._repeats.quiet_ns:
            del live[oldest]
            oldest = next(iter(live), None)
        if live.pop(key, None) is None and len(live) >= self._most:
            return (key[0],)
        live[key] = time_ns
        return key

    def _account(self, telling: Telling) -> Account:
        return self._accounts[cast(Key, telling.key)]

    def close(self, now_ns: int) -> list[Event]:
        """What the episodes that are quiet by now held back."""
        return self._told(self._repeats.close(now_ns))

    def flush(self) -> list[Event]:
        """What is held back, without ending the episodes."""
        return self._told(self._repeats.flush())

    def _told(self, tellings: Iterable[Telling]) -> list[Event]:
        return [self._event(self._account(telling), telling) for telling in tellings]

    def _event(self, account: Account, telling: Telling) -> Event:
        metadata = {**account.details.get("metadata", {}), "triggers": telling.total}
        return Event.new(
            account.type,
            account.severity,
            self._source,
            {**account.details, "metadata": metadata, "suppressed": telling.suppressed},
            time_ns=telling.last_ns,
            rule=account.rule,
            tags=account.tags,
            techniques=account.techniques,
            confidence=account.confidence,
            evidence=account.evidence[:MOST_EVIDENCE],
            explanation=account.explanation,
            correlation_id=detection_id(account.rule, telling.key, telling.first_ns),
        )

    def save(self) -> dict[str, Any]:
        """The state, as plain data."""
        accounts = [[k, msgspec.to_builtins(a)] for k, a in self._accounts.items() if k in self]
        live = [[kind, list(keys.items())] for kind, keys in self._live.items()]
        return {"repeats": self._repeats.save(), "accounts": accounts, "live": live}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._repeats.restore(state["repeats"])
        for key, account in state["accounts"]:
            self._accounts[tuple(key)] = msgspec.convert(account, Account)
        for kind, keys in state["live"]:
            self._live[kind] = {tuple(key): last for key, last in keys}
