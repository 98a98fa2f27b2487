"""Failed first contacts over UDP: datagrams that nobody answers, or that ICMP refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlids.capture.addresses import is_group
from mlids.scans.contacts import (
    ASK,
    CLOSED,
    OPEN,
    Attempts,
    Kind,
    Runs,
    contacts,
    endpoint,
    pending_contact,
    taken,
    whole,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch
    from mlids.capture.quotes import Quotes
    from mlids.scans.contacts import Records

    Rows = NDArray[Any]

SLOTS_BITS = 18  # flows remembered
ANSWERED, ASKED = 1, 2  # in the two low bits of a slot; ASKED + 1: the other side asked
TRACEROUTE = (33434, 33690)  # ports of traceroute, whose probes are meant to die on their way
TRACEROUTE_TTL = 32


class Flows(NamedTuple):
    """Datagrams, and errors about some (refused): the row, the key of the flow, who sent it."""

    row: NDArray[Any]
    key: NDArray[np.uint64]
    side: NDArray[np.uint8]
    refused: NDArray[np.bool_]
    state: NDArray[np.uint8]  # what is remembered of the flow

    def take(self, chosen: NDArray[Any]) -> Flows:
        """Some of them."""
        return Flows(*(column[chosen] for column in self))


class UdpContacts:
    """Turns datagrams into contacts; a reply within `grace_ns` settles one.

    A flow is known by both its ends; who sent the first datagram asks. Flows are remembered in the
    slot of their hash (until another one takes it), so that late replies are no new contacts and
    the middle of a conversation costs nothing.
    """

    def __init__(self, grace_ns: int, most: int) -> None:
        self.attempts = Attempts(grace_ns, most)
        self._known = np.zeros(1 << SLOTS_BITS, np.uint64)

    def inspect(self, batch: PacketBatch, quoted: Quotes | None, capture: int) -> list[Records]:
        """The contacts of a batch: failed ones at their moment, UDP_ANSWERED where one answered."""
        rows = np.flatnonzero((batch.protocol == 17) & (batch.transport > 0))
        if not len(rows) and quoted is None and not len(self.attempts.pending):
            return []
        a = endpoint(batch.src_hi[rows], batch.src_lo[rows], batch.sport[rows])
        b = endpoint(batch.dst_hi[rows], batch.dst_lo[rows], batch.dport[rows])
        key, side = a + b, (a > b).astype(np.uint8)
        refused = np.zeros(len(rows), bool)
        if quoted is not None and (mine := quoted.protocol == 17).any():
            a = endpoint(quoted.src_hi[mine], quoted.src_lo[mine], quoted.sport[mine])
            b = endpoint(quoted.dst_hi[mine], quoted.dst_lo[mine], quoted.dport[mine])
            rows = np.append(rows, quoted.row[mine])
            key, side = np.append(key, a + b), np.append(side, (a > b).astype(np.uint8))
            refused = np.append(refused, np.ones(int(mine.sum()), bool))
            order = np.argsort(rows, kind="stable")
            rows, key, side, refused = rows[order], key[order], side[order], refused[order]
        known = self._known[key >> np.uint64(64 - SLOTS_BITS)]
        state = np.where((known ^ key) >> np.uint64(2) == 0, known & np.uint64(3), 0)
        open_flows = state != ANSWERED
        flows = Flows(rows, key, side, refused, state.astype(np.uint8)).take(open_flows)
        useful = flows.refused | ~_aimless(batch, flows.row)
        return self._match(batch, flows if useful.all() else flows.take(useful), capture)

    def _match(self, batch: PacketBatch, flows: Flows, capture: int) -> list[Records]:
        flows, answers = self._without_plain(batch, flows)
        self._remember(answers.key, np.full(len(answers.key), ANSWERED, np.uint64))
        found = [_answered(batch, answers.row, capture)] if len(answers.row) else []
        return found + self._match_rest(batch, flows, capture)

    def _without_plain(self, batch: PacketBatch, flows: Flows) -> tuple[Flows, Flows]:
        """Take out flows of one question and one answer in time, as most are (DNS).

        Gives the other flows, and the answers of those taken out. This only saves time: what is
        left would say the same of them.
        """
        order = np.argsort(flows.key, kind="stable")
        key = flows.key[order]
        same = np.concatenate(([False], key[1:] == key[:-1], [False]))
        # Rows of the sorted flows that are the first of exactly two.
        first = np.flatnonzero(same[1:-1] & ~same[:-2] & ~same[2:])
        question, answer = order[first], order[first + 1]
        plain = flows.side[question] != flows.side[answer]
        plain &= ~(flows.refused[question] | flows.refused[answer])
        plain &= (flows.state[question] == 0) & ~np.isin(
            flows.key[question], self.attempts.pending["key"]
        )
        took = batch.time[flows.row[answer]] - batch.time[flows.row[question]]
        plain &= took <= self.attempts.grace
        question, answer = question[plain], answer[plain]
        left = np.ones(len(key), bool)
        left[question] = left[answer] = False
        return flows.take(left), flows.take(answer)

    def _match_rest(self, batch: PacketBatch, flows: Flows, capture: int) -> list[Records]:
        rows, key, side, refused, state = flows
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
        if len(opened):
            found.append(_answered(batch, opened, capture))
        return found

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


def _aimless(batch: PacketBatch, rows: Rows) -> Any:
    """Datagrams to groups, which need no answer, and those of traceroute."""
    low, high = TRACEROUTE
    port = batch.dport[rows]
    traced = (port >= low) & (port < high) & (batch.ttl[rows] < TRACEROUTE_TTL)
    return traced | is_group(batch.dst_hi[rows], batch.dst_lo[rows])


def _answered(batch: PacketBatch, rows: Rows, capture: int) -> Records:
    made = contacts(batch, rows, capture, Kind.UDP_ANSWERED)
    for name, other in (("src_hi", "dst_hi"), ("src_lo", "dst_lo")):
        made[name], made[other] = getattr(batch, other)[rows], getattr(batch, name)[rows]
    made["port"] = batch.sport[rows]
    return made
