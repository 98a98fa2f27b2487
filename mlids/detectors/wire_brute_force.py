"""Password guessing as it shows on the wire, where no log of the service is at hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
import numpy as np

from mlids.batches import Detector, PacketBatch
from mlids.capture.addresses import HOME, Networks, address, words
from mlids.capture.exemptions import Exempt
from mlids.capture.flows import flows
from mlids.episodes import Account, Episodes
from mlids.events import Event
from mlids.floods import replies
from mlids.floods.records import Captures, settled
from mlids.floods.sessions import SHAPES, Sessions
from mlids.volume import NS
from mlids.windows import Windows, count, within

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_ROWS = 65_536
QUIET_S = 900.0
EVIDENCE = 10
HOURS_6, DAY = 6 * 3600, 24 * 3600
MOST_WAITING = 65_536


class Guess(NamedTuple):
    """One login that failed, or seems to have."""

    time_ns: int
    frame: int
    capture: int
    service: str
    source: str
    target: str
    port: int
    exact: bool  # the server said so


class WireBruteForceSettings(Exempt, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """When failed logins are guessing."""

    threshold: Annotated[
        int,
        msgspec.Meta(
            ge=2,
            le=1000,
            description="refusals of one source by one server in 10 min (clear-text services)",
            extra={"key": "thresholds.brute_force_threshold"},
        ),
    ] = 5
    sessions: Annotated[
        int,
        msgspec.Meta(
            ge=2, le=30, description="encrypted sessions that look as if a login failed, in 10 min"
        ),
    ] = 10
    home_networks: Annotated[
        list[str],
        msgspec.Meta(description="networks that are ours", extra={"key": "network.home_networks"}),
    ] = msgspec.field(default_factory=lambda: list(HOME))
    max_keys: Annotated[
        int, msgspec.Meta(ge=100, le=1_000_000, description="pairs of source and server followed")
    ] = 20_000
    max_sessions: Annotated[
        int, msgspec.Meta(ge=100, le=1_000_000, description="open sessions followed")
    ] = 32_768


class WireBruteForce(Detector[PacketBatch]):
    """Says who guesses passwords of ftp, ssh, telnet, mail, database, rdp, vnc and smb servers.

    Refusals in clear text count as they do in logs: 5 in 10 min, 15 in 6 h or 30 in 24 h. Encrypted
    sessions are judged by their shape, which is weak evidence: 10 in 10 min or 30 in 6 h.
    """

    Settings = WireBruteForceSettings
    kind = PacketBatch
    settings: WireBruteForceSettings

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        s = self.settings
        self._home = Networks(s.home_networks)
        self._sources, self._targets = s.sources(), s.targets()
        self._captures = Captures()
        self._sessions = Sessions(s.max_sessions)
        self._waiting: list[Guess] = []
        self._skipped = 0
        self._windows = Windows(30, DAY * NS, s.max_keys)
        self._episodes = Episodes(QUIET_S)

    def inspect(self, batch: PacketBatch) -> Iterable[Event]:
        """The guessing that this batch shows, and what ended episodes held back."""
        events: list[Event] = []
        for begin in range(0, len(batch) - MOST_ROWS, MOST_ROWS):
            part = batch.take(np.arange(begin, begin + MOST_ROWS))
            events += self._inspect(replace(part, now=int(part.time[-1])))
        done = max(0, -(-len(batch) // MOST_ROWS) - 1) * MOST_ROWS
        return events + self._inspect(batch.take(np.arange(done, len(batch))) if done else batch)

    def _inspect(self, batch: PacketBatch) -> list[Event]:
        if len(batch):
            self._take(batch)
        until = settled(batch.now)
        return [*self._told(until), *self._episodes.close(until)]

    def _take(self, batch: PacketBatch) -> None:
        """Take up the rows of the services: found by conversation, of which there are few."""
        known = flows(batch)
        ports = _ports()
        kinds = ports[batch.dport[known.row]] | ports[batch.sport[known.row]]
        if not kinds.any():
            return
        wanted = np.append(kinds > 0, False)
        rows = np.flatnonzero(wanted[known.of_row])
        capture = self._captures.number(batch.source)
        if self._sources or self._targets:
            rows = rows[self._of_interest(batch, rows)]
        answers = (ports[batch.sport[rows]] & CLEAR > 0) & (batch.payload_length[rows] > 3)
        if answers.any():
            for row, service in replies.refusals(batch, rows[answers]):
                self._waiting.append(_refusal(batch, row, service, capture))
        shaped = (ports[batch.sport[rows]] | ports[batch.dport[rows]]) & SHAPED > 0
        self._sessions.inspect(batch, rows[shaped], capture)

    def _of_interest(self, batch: PacketBatch, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which rows are between those that are looked at; either end may be the server."""
        there, back = (
            (batch.src_hi[rows], batch.src_lo[rows]),
            (batch.dst_hi[rows], batch.dst_lo[rows]),
        )
        server = _ports()[batch.sport[rows]] > 0
        found = self._sources.among(*there) & ~server | self._sources.among(*back) & server
        found |= self._targets.among(*there) & server | self._targets.among(*back) & ~server
        return ~found

    def _told(self, until: int) -> Iterator[Event]:
        """Count the failed logins of before this time."""
        for ended, syn in self._sessions.failed(until):
            self._waiting.append(_shaped(syn, ended))
        if not self._waiting:
            return
        self._waiting.sort()
        due = [guess for guess in self._waiting if guess.time_ns < until]
        self._waiting = self._waiting[len(due) :]
        if len(self._waiting) > MOST_WAITING:
            self._skipped += len(self._waiting) - MOST_WAITING
            del self._waiting[:-MOST_WAITING]
        for guess in due:
            yield from self._counted(guess)

    def _counted(self, guess: Guess) -> Iterator[Event]:
        key = (guess.service, guess.source, guess.target)
        ring = self._windows.add(" ".join(key), (guess.time_ns, guess.frame, guess.capture))
        s = self.settings
        limits = (
            ((s.threshold, 600), (15, HOURS_6), (30, DAY))
            if guess.exact
            else ((s.sessions, 600), (30, HOURS_6))
        )
        for least, seconds in limits:
            if count(ring, guess.time_ns, seconds * NS) >= least:
                marks = within(ring, guess.time_ns, seconds * NS)
                account = self._account(guess, marks, least, seconds)
                yield from self._episodes.trigger(key, guess.time_ns, account)
                return

    def _account(self, guess: Guess, marks: Any, least: int, seconds: int) -> Account:
        outside = not self._home.holds(*words(guess.source))
        found = len(marks)
        what = "refused logins" if guess.exact else "short sessions that look like failed logins"
        observed = f"{found} {what} of {guess.service} within {seconds} s"
        latest = list(marks)[-EVIDENCE:][::-1]
        return Account(
            "Brute Force",
            "HIGH" if outside or guess.exact else "MEDIUM",
            f"wire_brute_force/{guess.service}",
            {
                "ip": guess.source,
                "target": guess.target,
                "port": guess.port,
                "protocol": "TCP",
                "description": f"{guess.source} guesses passwords of {guess.service} on"
                f" {guess.target}: {observed}",
                "metadata": {
                    "technique": "guessing",
                    "service": guess.service,
                    "failures": found,
                    "threshold": least,
                    "window_s": seconds,
                    "exact": guess.exact,
                },
            },
            f"{observed}; threshold {least} in {seconds} s",
            [{"source": self._captures.names[mark[2]], "frame": mark[1]} for mark in latest],
            ["T1110.001"],
            ["brute-force", guess.service],
            0.9 if guess.exact else 0.5,
        )

    def flush(self) -> Iterable[Event]:
        """What is left at the end."""
        told = list(self._told(1 << 62))
        return [*told, *self._episodes.flush()]

    def counts(self) -> dict[str, int]:
        """Sessions, pairs and episodes given up for lack of room."""
        return {
            "evicted_sessions": self._sessions.evicted,
            "evicted_pairs": self._windows.evicted,
            "evicted_episodes": self._episodes.evicted,
            "skipped": self._skipped,
        }

    def save(self) -> dict[str, Any]:
        """The state, as plain data."""
        return {
            "captures": list(self._captures.names),
            "sessions": self._sessions.save(),
            "waiting": [list(guess) for guess in self._waiting],
            "windows": self._windows.save(),
            "episodes": self._episodes.save(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._captures.names[:] = state["captures"]
        self._sessions.restore(state["sessions"])
        self._waiting = [Guess(*values) for values in state["waiting"]]
        self._windows.restore(state["windows"])
        self._episodes.restore(state["episodes"])


CLEAR, SHAPED = 1, 2


@cache
def _ports() -> NDArray[np.uint8]:
    """By port: whether its servers refuse in clear text, or are judged by shape."""
    table = np.zeros(65_536, np.uint8)
    table[list(replies.SERVICES)] |= CLEAR
    table[list(SHAPES)] |= SHAPED
    return table


def _refusal(batch: PacketBatch, row: int, service: str, capture: int) -> Guess:
    return Guess(
        int(batch.time[row]),
        int(batch.frame[row]),
        capture,
        service,
        address(int(batch.dst_hi[row]), int(batch.dst_lo[row])),
        address(int(batch.src_hi[row]), int(batch.src_lo[row])),
        int(batch.sport[row]),
        True,
    )


def _shaped(syn: Any, ended: int) -> Guess:
    return Guess(
        ended,
        int(syn["frame"]),
        int(syn["capture"]),
        SHAPES[int(syn["dport"])].service,
        address(int(syn["src_hi"]), int(syn["src_lo"])),
        address(int(syn["dst_hi"]), int(syn["dst_lo"])),
        int(syn["dport"]),
        False,
    )
