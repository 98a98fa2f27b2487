"""Who guesses passwords: tries by source, account and both, over three horizons.

A try is one failed login. It counts for its source (an IPv4 address; of IPv6 the /64, and the /56
and /48 where three or more of their parts take part), for its account, and for both together.

- A source guesses at 5 tries in 10 minutes, 15 in 6 hours or 30 in 24 hours, over all accounts.
- A success takes back the few failures before it, of that account from that source, as typing
  errors; the count of both together is reset on the short horizon alone, so that an attacker who
  owns an account cannot wipe out what he did to it, and never touches other accounts' tries.
- Where logins have succeeded before (an office behind one address), the first three failures of an
  account that exists count on the longer horizons only, since a success commonly follows.
- An account's own count takes several sources, and leaves out tries of sources that are known to
  attack: those are told already. So naming an account locks nobody out and makes no spam.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mlids import addresses
from mlids.windows import Mark, Windows, count, distinct, within

NS = 1_000_000_000
HOUR = 3600 * NS
DAY = 24 * HOUR
WEEK = 7 * DAY
USER, EXISTS, SOURCE, ADDRESS, PLACE = 1, 2, 3, 4, 5  # fields of a mark, after its time
TYPING_ERRORS = 3
ENUMERATED, SPRAYED = 5, 8
STUFFED, STUFFED_REAL = 25, 5  # users, and those of them that are not known to be made up
DISTRIBUTED_SOURCES, DISTRIBUTED_TRIES, DISTRIBUTED_NS = 5, 10, HOUR // 2
KEPT = 30  # tries of a key, at least: eight users tried three times each must fit
PARTS = 3  # of a wide IPv6 prefix that must take part


class Try(NamedTuple):
    """One failed login; the first fields are those of a window's mark."""

    time_ns: int
    user: str
    exists: bool | None
    source: str  # narrowest key of the address
    address: str  # "" unknown
    place: tuple[str, int, int]  # evidence: source, line, offset


class Finding(NamedTuple):
    """Why a key is an attack: what was counted, against which threshold, in which window."""

    key: str  # whose attack: "source …" or "account …"
    technique: str
    observed: int  # failed logins, or for enumeration and spraying users
    threshold: int
    window_ns: int
    tries: int  # failed logins that belong to it so far


Attacking = Callable[[Mark], bool]  # is the source of this try known to attack by itself?


class Guesses:
    """The tries of the last day, and the successes; bounded by `keys` of each kind."""

    def __init__(self, horizons: tuple[tuple[int, int], ...], keys: int) -> None:
        """horizons: (tries, window in ns), shortest first."""
        self.horizons = horizons
        tries = [tries for tries, _ in horizons]
        keep = max(*tries, KEPT)
        self._fewest = min(tries)
        self._least = min(self._fewest, ENUMERATED)  # fewer tries than that never tell anything
        self.sources = Windows(keep, DAY, keys)
        self.accounts = Windows(keep, DAY, keys)
        self.pairs = Windows(keep, DAY, keys)
        self.welcome = Windows(1, WEEK, keys)  # last success, by source and by pair

    def add(self, tried: Try) -> None:
        """Count a try everywhere it belongs."""
        for key in addresses.keys(tried.address or tried.source):
            self.sources.add(key, tried)
        if tried.user:
            self.accounts.add(tried.user, tried)
            self.pairs.add(_pair(tried.source, tried.user), tried)

    def source_finding(self, tried: Try, attacking: Attacking) -> Finding | None:
        """Whether the source of a try attacks; wide prefixes leave out what attacks by itself."""
        narrow, *wide = addresses.keys(tried.address or tried.source)
        ring = self.sources.get(narrow)
        least = self._least
        if (
            not wide
            and len(ring) < least
            and len(self.pairs.get(_pair(narrow, tried.user))) < least
        ):
            return None  # the most frequent case by far
        now = ring[-1][0]
        finding = self._over(f"source {narrow}", self._suspicious(ring, now), now)
        finding = finding or self._pair_finding(narrow, tried) or self.broad(f"source {narrow}")
        for parts, key in enumerate(wide):
            if finding is not None:
                break
            left = [mark for mark in self.sources.get(key) if not attacking(mark)]
            if len({addresses.keys(mark[ADDRESS])[parts] for mark in left}) >= PARTS:
                finding = self._over(f"source {key}", [left] * 3, left[-1][0])
        return finding and (self.broad(finding.key) or finding)

    def broad(self, key: str) -> Finding | None:
        """Many accounts within an hour: those that do not exist, or each tried gently."""
        ring = self.sources.get(key.partition(" ")[2])
        now = ring[-1][0] if ring else 0
        tries = count(ring, now, HOUR)
        if tries < min(ENUMERATED, SPRAYED):
            return None
        if stuffed := _stuffed(ring, now):
            return Finding(key, "stuffing", stuffed, STUFFED, HOUR, tries)
        unknown = len(_unknown_users(ring, now))
        if unknown >= ENUMERATED:
            return Finding(key, "enumeration", unknown, ENUMERATED, HOUR, tries)
        sprayed = _sprayed(ring, now)
        return Finding(key, "spraying", sprayed, SPRAYED, HOUR, tries) if sprayed else None

    def is_new(self, tried: Try) -> bool:
        """Whether a source tries an account for the first time of late."""
        return len(self.pairs.get(_pair(tried.source, tried.user))) == 1

    def account_finding(self, tried: Try, attacking: Attacking) -> Finding | None:
        """Whether several sources, none known to attack by itself, guess one account's password."""
        tries = self.accounts.get(tried.user)
        if not self._many(tries, tried.exists is not False):
            return None
        ring = [mark for mark in tries if not attacking(mark)]
        if not ring:
            return None
        now, key = ring[-1][0], f"account {tried.user}"
        sources = distinct(ring, now, DISTRIBUTED_NS, SOURCE)
        seen = count(ring, now, DISTRIBUTED_NS)
        if sources >= DISTRIBUTED_SOURCES and seen >= DISTRIBUTED_TRIES:
            return Finding(key, "distributed", seen, DISTRIBUTED_TRIES, DISTRIBUTED_NS, seen)
        if tried.exists is False:
            return None
        for number, (threshold, span) in enumerate(self.horizons):
            observed, sources = count(ring, now, span), distinct(ring, now, span, SOURCE)
            many = sources >= DISTRIBUTED_SOURCES  # on the short horizon: more tries are needed
            if observed >= threshold and sources >= 2 and not (many and number == 0):
                technique = "distributed" if many else "guessing"
                return Finding(key, technique, observed, threshold, span, observed)
        return None

    def _many(self, ring: Sequence[Mark], exists: bool) -> bool:
        """Whether there are tries enough on an account to look closer."""
        if not ring:
            return False
        now = ring[-1][0]
        horizons = self.horizons if exists else ()
        horizons = ((DISTRIBUTED_TRIES, DISTRIBUTED_NS), *horizons)
        return any(len(ring) >= n and now - ring[-n][0] < span for n, span in horizons)

    def success(self, time_ns: int, user: str, source: str, address: str) -> Finding | None:
        """Whether a success follows on guesses; then take back its typing errors."""
        pair, keys = _pair(source, user), addresses.keys(address or source)
        failed = self._since_success(pair, time_ns)
        finding = self._success_finding(time_ns, user, keys[0], failed)
        if len(failed) < self.horizons[0][0]:
            places = {mark[PLACE] for mark in failed}
            for key in keys:
                self.sources.remove(key, PLACE, places)
            self.accounts.remove(user, PLACE, places)
        self.welcome.add(pair, (time_ns,))
        self.welcome.add(keys[0], (time_ns,))
        return finding

    def _success_finding(
        self, now: int, user: str, source: str, failed: list[Mark]
    ) -> Finding | None:
        threshold, span = self.horizons[0][0], self.horizons[1][1]
        known = self._welcomed(_pair(source, user), now, WEEK)
        recent = within(failed, now, span)
        counts = [len(recent)]
        if recent or not known:
            strangers = self._suspicious(self.sources.get(source), now)[0]
            counts.append(count(strangers, now, span))
        if recent and not known:
            counts.append(count(self.accounts.get(user), now, span))
        observed = max(counts)
        if observed < threshold:
            return None
        key = f"source {source}"
        return Finding(key, "success-after-failures", observed, threshold, span, observed)

    def _pair_finding(self, source: str, tried: Try) -> Finding | None:
        pair = _pair(source, tried.user)
        ring = self.pairs.get(pair)
        if len(ring) < self._fewest:
            return None
        now = ring[-1][0]
        rings = [self._since_success(pair, now), ring, ring]
        return self._over(f"source {source}", rings, now)

    def _since_success(self, pair: str, now: int) -> list[Mark]:
        """Failures of an account from a source since it last logged in from there."""
        welcome = self.welcome.get(pair)
        last = welcome[0][0] if welcome else -1
        return [mark for mark in self.pairs.get(pair) if mark[0] > last]

    def _suspicious(self, ring: Any, now: int) -> list[Any]:
        """The tries that count on each horizon; typing errors are left out of the short one."""
        if not ring or not self._welcomed(ring[-1][SOURCE], now, DAY):
            return [ring, ring, ring]
        seen: dict[str, int] = {}
        counted = []
        for mark in ring:
            seen[mark[USER]] = seen.get(mark[USER], 0) + 1
            if mark[EXISTS] is False or seen[mark[USER]] > TYPING_ERRORS:
                counted.append(mark)
        return [counted, ring, ring]

    def _welcomed(self, key: str, now: int, span: int) -> bool:
        welcome = self.welcome.get(key)
        return bool(welcome) and now - int(welcome[0][0]) < span

    def _over(self, key: str, rings: list[Any], now: int) -> Finding | None:
        for (threshold, span), ring in zip(self.horizons, rings, strict=True):
            if len(ring) >= threshold and (observed := count(ring, now, span)) >= threshold:
                return Finding(key, "guessing", observed, threshold, span, observed)
        return None

    def evicted(self) -> int:
        """Keys that were forgotten before their time."""
        kinds = (self.sources, self.accounts, self.pairs, self.welcome)
        return sum(windows.evicted for windows in kinds)

    def save(self) -> list[Any]:
        """The state, as plain data."""
        return [w.save() for w in (self.sources, self.accounts, self.pairs, self.welcome)]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        kinds = (self.sources, self.accounts, self.pairs, self.welcome)
        for windows, saved in zip(kinds, state, strict=True):
            windows.restore(saved)


def _pair(source: str, user: str) -> str:
    return f"{source} {user}"


def _unknown_users(ring: Any, now: int) -> set[str]:
    if len(ring) < ENUMERATED:
        return set()
    return {m[USER] for m in within(ring, now, HOUR) if m[EXISTS] is False}


def _stuffed(ring: Sequence[Mark], now: int) -> int:
    """How many users were tried, where each was tried once and enough of them may exist; else 0.

    Whoever tries stolen pairs of name and password has one try for each name (OWASP, "Credential
    stuffing"); names that he makes up are `enumeration`.
    """
    recent = within(ring, now, HOUR)
    real = {mark[USER] for mark in recent if mark[EXISTS] is not False}
    every = {mark[USER] for mark in recent}
    once = len(every) == len(recent)
    return len(every) if once and len(every) >= STUFFED and len(real) >= STUFFED_REAL else 0


def _sprayed(ring: Any, now: int) -> int:
    """How many accounts a source tried gently; 0 where it is no spraying."""
    if len(ring) < SPRAYED:
        return 0
    tries: dict[str, int] = {}
    for mark in within(ring, now, HOUR):
        tries[mark[USER]] = tries.get(mark[USER], 0) + 1
    gentle = sum(number <= TYPING_ERRORS for number in tries.values())
    return gentle if gentle >= SPRAYED else 0
