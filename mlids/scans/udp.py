"""Failed first contacts over UDP: datagrams that nobody answers, or that ICMP refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from mlids.capture.addresses import is_group
from mlids.capture.flows import flow_key, flows
from mlids.capture.mixing import endpoint
from mlids.scans.contacts import (
    ASK,
    CLOSED,
    OPEN,
    Attempts,
    Kind,
    Runs,
    contacts,
    maybe_among,
    pending_contact,
    taken,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from mlids.batches import PacketBatch
    from mlids.capture.flows import Flows
    from mlids.capture.quotes import Quotes
    from mlids.scans.contacts import Records

    Rows = NDArray[Any]

SLOTS_BITS = 18  # flows remembered
ANSWERED, ASKED = 1, 2  # in the two low bits of a slot; ASKED + 1: the other side asked
TRACEROUTE = (33434, 33690)  # ports of traceroute, whose probes are meant to die on their way
TRACEROUTE_TTL = 32


class Datagrams(NamedTuple):
    """Datagrams, and errors about some (refused): the row, the key of the flow, who sent it."""

    row: NDArray[Any]
    key: NDArray[np.uint64]
    side: NDArray[np.uint8]
    refused: NDArray[np.bool_]
    state: NDArray[np.uint8]  # what is remembered of the flow

    def take(self, chosen: NDArray[Any]) -> Datagrams:
        """Some of them."""
        return Datagrams(*(column[chosen] for column in self))


class Found(NamedTuple):
    """What datagrams show: contacts that failed, and rows that answer one."""

    failed: list[Records]
    answers: Rows


class UdpContacts:
    """Turns datagrams into contacts; a reply within `grace_ns` settles one.

    A flow is known by both its ends; who sent the first datagram asks. Flows are remembered in the
    slot of their hash (until another one takes it), so that late replies are no new contacts and
    the middle of a conversation costs nothing.
    """

    def __init__(self, grace_ns: int, most: int) -> None:
        self.attempts = Attempts(grace_ns, most)
        self._known = np.zeros(1 << SLOTS_BITS, np.uint64)

    def inspect(self, batch: PacketBatch, quoted: Quotes | None, capture: int) -> Found:
        """The contacts of a batch, failed ones at their moment."""
        found = flows(batch)
        every = np.flatnonzero(batch.protocol[found.row] == 17)
        errors = _errors(batch, quoted)
        if not len(every) and not len(errors.row) and not len(self.attempts.pending):
            return Found([], every)
        key = found.key[every]
        state = self._state(key)
        fresh = np.flatnonzero(state != ANSWERED)
        every, key, state = every[fresh], key[fresh], state[fresh]
        plain = self._plain(batch, found, every, state)
        plain &= ~maybe_among(key, errors.key) & ~maybe_among(key, self.attempts.pending["key"])
        self._remember(key[plain], np.full(int(plain.sum()), ANSWERED, np.uint64))
        answers = found.last[every[plain]]
        every = every[~plain]
        if not len(every) and not len(errors.row) and not len(self.attempts.pending):
            return Found([], answers)
        rest = self._rows(batch, found, every, errors)
        useful = rest.refused | ~_aimless(batch, rest.row)
        failed, answered = self._match(batch, rest.take(useful), capture)
        return Found(failed, np.concatenate((answers, answered)))

    def _state(self, key: NDArray[np.uint64]) -> NDArray[np.uint8]:
        """What is remembered of these flows."""
        known = np.take(self._known, (key >> np.uint64(64 - SLOTS_BITS)).view(np.int64))
        same = (known ^ key) >> np.uint64(2) == 0
        return np.where(same, known & np.uint64(3), 0).astype(np.uint8)

    def _plain(
        self, batch: PacketBatch, found: Flows, every: Rows, state: NDArray[np.uint8]
    ) -> NDArray[np.bool_]:
        """Flows of one question and one answer in time, as most are (DNS).

        This only saves time: what is done with the others would say the same of them.
        """
        question, answer = found.row[every], found.last[every]
        plain: NDArray[np.bool_] = (state == 0) & (found.back[every] == 1)
        plain &= found.ahead[every] == 1
        plain &= batch.time[answer] - batch.time[question] <= self.attempts.grace
        # What a group was asked no group answers, so only traceroute is left to be looked for.
        plain &= ~_traced(batch, question, batch.dport[question])
        plain &= ~_traced(batch, answer, batch.sport[question])
        return plain

    def _rows(self, batch: PacketBatch, found: Flows, every: Rows, errors: Datagrams) -> Datagrams:
        """The datagrams of some flows, and what ICMP says about any flow not answered yet."""
        chosen = np.zeros(len(found.key) + 1, bool)
        chosen[every] = True
        rows = np.flatnonzero(np.take(chosen, found.of_row)) if len(every) else every
        key = found.key[found.of_row[rows]]
        a = endpoint(batch.src_hi[rows], batch.src_lo[rows], batch.sport[rows])
        b = endpoint(batch.dst_hi[rows], batch.dst_lo[rows], batch.dport[rows])
        sent = Datagrams(
            rows, key, (a > b).astype(np.uint8), np.zeros(len(rows), bool), self._state(key)
        )
        if not len(errors.row):
            return sent
        errors = errors._replace(state=self._state(errors.key))
        errors = errors.take(errors.state != ANSWERED)
        pairs = cast("Iterable[tuple[Rows, Rows]]", zip(sent, errors, strict=True))
        both = Datagrams(*map(np.concatenate, pairs))
        return both.take(np.argsort(both.row, kind="stable"))

    def _match(
        self, batch: PacketBatch, datagrams: Datagrams, capture: int
    ) -> tuple[list[Records], Rows]:
        rows, key, side, refused, state = datagrams
        asker = self._askers(key, side, refused, state)
        answer = (side != asker) & ~refused
        kind = np.where(refused, CLOSED, np.where(answer, OPEN, ASK)).astype(np.uint8)
        kept = self._before_answers(key, kind) & ~(refused & (side != asker))
        if not kept.all():
            rows, key, kind, asker = rows[kept], key[kept], kind[kept], asker[kept]
        runs = self.attempts.runs(key, batch.time[rows], kind)
        opened = rows[kind == OPEN]
        found = self._settle(batch, rows, runs, asker, capture)
        self._remember(key[kind == OPEN], np.full(len(opened), ANSWERED, np.uint64))
        return found, opened

    def _askers(self, key: Any, side: Any, refused: Any, state: Any) -> Any:
        """For each row which side of its flow asked: as remembered, else the first one's."""
        old = self.attempts.pending
        keys = np.concatenate((old["key"], key))
        sides = np.concatenate((old["side"], np.where(state >= ASKED, state - ASKED, side)))
        # An error says nothing about who asked, so it comes last within its flow.
        order = np.lexsort((np.concatenate((np.zeros(len(old), bool), refused)), keys))
        fresh = np.ones(len(keys), bool)
        np.not_equal(keys[order][1:], keys[order][:-1], out=fresh[1:])
        first = np.maximum.accumulate(np.where(fresh, np.arange(len(keys)), 0))
        asker = np.empty(len(keys), np.uint8)
        asker[order] = sides[order][first]
        return asker[len(old) :]

    def _before_answers(self, key: Any, kind: Any) -> Any:
        """Rows up to the first answer of their flow; what follows is conversation."""
        order = np.argsort(key, kind="stable")
        opens = np.cumsum(kind[order] == OPEN)
        fresh = np.ones(len(key), bool)
        np.not_equal(key[order][1:], key[order][:-1], out=fresh[1:])
        before = np.concatenate(([0], opens))[:-1]
        at_begin = before[np.maximum.accumulate(np.where(fresh, np.arange(len(key)), 0))]
        kept = np.empty(len(key), bool)
        kept[order] = before == at_begin
        return kept

    def _settle(
        self, batch: PacketBatch, rows: Rows, runs: Runs, asker: Any, capture: int
    ) -> list[Records]:
        runs = runs.unopened()
        made = np.zeros(len(runs.key), pending_contact())
        old = runs.origin < 0
        whole(made)[old] = whole(self.attempts.pending)[~runs.origin[old]]
        asks = runs.origin[~old]
        made["key"], made["first"], made["last"] = runs.key, runs.first, runs.last
        made["contact"][~old] = contacts(batch, rows[asks], capture, Kind.UDP_UNANSWERED)
        made["side"][~old] = asker[asks]
        closed, waiting = runs.answer == CLOSED, runs.answer == ASK
        refused = made["contact"][closed]
        by = rows[runs.by[closed]]
        refused["time"], refused["order"] = batch.time[by], batch.frame[by]
        refused["kind"] = Kind.UDP_REFUSED
        late = waiting & (made["first"] + self.attempts.grace < batch.now) & (made["told"] == 0)
        silent = made["contact"][late]
        silent["time"] += self.attempts.grace
        made["told"][late] = 1
        decided = late | closed
        self._remember(made["key"][decided], made["side"][decided].astype(np.uint64) + ASKED)
        given_up = self.attempts.keep(taken(made, waiting & ~runs.ended), batch.now)["contact"]
        return [found for found in (refused, silent, given_up) if len(found)]

    def _remember(self, key: Any, state: Any) -> None:
        self._known[key >> np.uint64(64 - SLOTS_BITS)] = (key & ~np.uint64(3)) | state

    def flush(self) -> list[Records]:
        """Runs whose grace the end of the input cut short: they stay unanswered."""
        left = self.attempts.pending
        rest = left["contact"][left["told"] == 0].copy()
        rest["time"] += self.attempts.grace
        left["told"] = 1
        return [rest] if len(rest) else []

    def save(self) -> list[Any]:
        """The state, as plain data."""
        return [self.attempts.save(), self._known[self._known > 0].tobytes()]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        self.attempts.restore(state[0])
        known = np.frombuffer(state[1], np.uint64)
        self._known[known >> np.uint64(64 - SLOTS_BITS)] = known


def _errors(batch: PacketBatch, quoted: Quotes | None) -> Datagrams:
    """What ICMP says about datagrams; the state is yet to be looked up."""
    if quoted is None:
        none = np.zeros(0, np.int64)
        nothing = np.zeros(0, np.uint8)
        return Datagrams(none, none.astype(np.uint64), nothing, np.zeros(0, bool), nothing)
    mine = quoted.protocol == 17
    a = endpoint(quoted.src_hi[mine], quoted.src_lo[mine], quoted.sport[mine])
    b = endpoint(quoted.dst_hi[mine], quoted.dst_lo[mine], quoted.dport[mine])
    rows, side = quoted.row[mine], (a > b).astype(np.uint8)
    key = flow_key(a, b, quoted.protocol[mine])
    return Datagrams(rows, key, side, np.ones(len(rows), bool), np.zeros(len(rows), np.uint8))


def _traced(batch: PacketBatch, rows: Rows, port: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Datagrams of traceroute, which go to these ports."""
    low, high = TRACEROUTE
    found: NDArray[np.bool_] = (port >= low) & (port < high)
    if found.any():
        found &= batch.ttl[rows] < TRACEROUTE_TTL
    return found


def _aimless(batch: PacketBatch, rows: Rows) -> NDArray[np.bool_]:
    """Datagrams to groups, which need no answer, and those of traceroute."""
    traced = _traced(batch, rows, batch.dport[rows])
    return traced | is_group(batch.dst_hi[rows], batch.dst_lo[rows])
