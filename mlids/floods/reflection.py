"""Amplification: answers that the target never asked for, and our own servers that send them.

Ports and how much they amplify: US-CERT TA14-017A, and later reports on memcached, CLDAP and
WS-Discovery.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.capture.addresses import address, is_group
from mlids.floods.datagrams import all_inside, unsolicited
from mlids.floods.findings import Finding
from mlids.floods.oneway import DATAGRAM
from mlids.floods.records import GRID_NS, addresses, taken
from mlids.floods.tally import MIXER, Tally
from mlids.volume import NS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from mlids.capture.addresses import Networks
    from mlids.floods.records import Records
    from mlids.floods.tally import Window

SERVICES = {
    17: "QOTD", 19: "CharGEN", 53: "DNS", 69: "TFTP", 111: "portmapper", 123: "NTP",
    137: "NetBIOS", 161: "SNMP", 389: "CLDAP", 520: "RIP", 1434: "MS SQL", 1900: "SSDP",
    3283: "ARD", 3702: "WS-Discovery", 5093: "Sentinel", 5353: "mDNS", 11211: "memcached",
    27015: "Steam", 37810: "DVR",
}  # fmt: skip
LARGE = 100  # bytes; what is amplified is not small, and late answers of time servers are
PACKETS, REFLECTORS, WINDOW_S = 100, 10, 5
WAIT_NS = 30 * NS  # how long an answer may take that was asked for
MOST_ASKS = 65_536
SENT, FACTOR, MINUTE_S = 1_000_000, 10, 60


@cache
def ports() -> NDArray[np.bool_]:
    """By port: whether its service is known to amplify."""
    table = np.zeros(65_536, bool)
    table[list(SERVICES)] = True
    return table


class Reflections:
    """Finds victims of amplification, and reflectors among our own servers."""

    def __init__(self, home: Networks) -> None:
        self.home = home
        self.evicted = 0
        self.victims = Tally(GRID_NS, WINDOW_S * NS // GRID_NS, REFLECTORS)
        self.sent = Tally(GRID_NS, MINUTE_S * NS // GRID_NS, SENT, by_size=True)
        self._asks: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._asked: NDArray[np.int64] = np.zeros(0, np.int64)

    def findings(self, seen: Records, share: float) -> Iterator[Finding]:
        """Judge rows of slots that are over."""
        datagrams = seen["kind"] == DATAGRAM
        answers = ports()[seen["sport"]] & datagrams
        asks = ports()[seen["dport"]] & datagrams
        if not answers.any() and not asks.any():
            return
        yield from self._reflectors(seen, answers, asks, share)
        alone = unsolicited(seen)
        if not alone.any():
            return
        self._note(taken(seen, asks & alone))
        found = taken(seen, reflected(seen))
        found = taken(found, ~is_group(found["dst_hi"], found["dst_lo"]) & ~self._late(found))
        found["dport"] = found["sport"]  # what counts is the service, not where it was lured to
        for window in self.victims.add(found, share):
            if (finding := self._victim(window, share)) is not None:
                yield finding

    def _victim(self, window: Window, share: float) -> Finding | None:
        crowd = window.sum()
        hosts = crowd.sources.distinct()
        packets = crowd.packets / share
        # Answers to a question put to everybody come from inside: discovery, not an attack.
        if (hosts < REFLECTORS and packets < PACKETS) or all_inside(crowd.sources, self.home):
            return None
        service = SERVICES[crowd.port]
        return Finding(
            crowd.last_ns,
            "amplification",
            crowd.target,
            crowd,
            window.accept(),
            packets / WINDOW_S,
            f"{packets:.0f} {service} answers that were not asked for, of {hosts} hosts, in 5 s",
            f"{PACKETS} answers or {REFLECTORS} hosts in 5 s",
            "UDP",
            address(*crowd.target),
            ip="",
            extra={"service": service, "reflectors": hosts},
        )

    def of_servers(self, seen: Any, share: float = 1.0) -> NDArray[np.bool_]:
        """Which rows may be of a server that sends in masses; seen: the columns of records."""
        answers, asks = ports()[seen["sport"]], ports()[seen["dport"]]
        rows = np.flatnonzero(answers | asks)
        found = np.zeros(len(answers), bool)
        pair = (seen["src_lo"] + seen["dst_lo"])[rows] * MIXER
        found[rows[self.sent.heavy(pair, seen["time"][rows], seen["size"][rows], share)]] = True
        return found

    def _note(self, asks: Records) -> None:
        """Remember questions that were not answered at once."""
        if not len(asks):
            return
        self._asks = np.concatenate((self._asks, asks["flow"]))
        self._asked = np.concatenate((self._asked, asks["time"]))
        alive = np.flatnonzero(self._asked >= asks["time"][-1] - 2 * WAIT_NS)
        self.evicted += max(0, len(alive) - MOST_ASKS)
        alive = alive[-MOST_ASKS:]
        self._asks, self._asked = self._asks[alive], self._asked[alive]

    def _late(self, answers: Records) -> NDArray[np.bool_]:
        """Which of these were asked for, only longer ago."""
        late = np.isin(answers["flow"], self._asks)
        for n in np.flatnonzero(late).tolist():
            wait = answers["time"][n] - self._asked[self._asks == answers["flow"][n]]
            late[n] = bool(((wait >= 0) & (wait <= WAIT_NS)).any())
        return late

    def _reflectors(
        self, seen: Records, answers: NDArray[np.bool_], asks: NDArray[np.bool_], share: float
    ) -> Iterator[Finding]:
        # Counted by the two hosts; most pairs are left out before anything is copied.
        rows = np.flatnonzero(answers | asks)
        asked = asks[rows]
        pair = addresses(seen["src_hi"][rows], seen["src_lo"][rows]) + seen["key"][rows]
        size = seen["size"][rows] * ~asked
        heavy = self.sent.heavy(pair, seen["time"][rows], size, share)
        if not len(heavy):
            return
        both, asked = taken(seen, rows[heavy]), asked[heavy]
        both["key"], both["size"] = pair[heavy], size[heavy]
        both["back"] = seen["size"][rows[heavy]] * asked
        for window in self.sent.add(both, share):
            crowd = window.sum()
            ends = [one[1:] for one in crowd.sources.top()]
            if crowd.size < FACTOR * crowd.back or len(ends) > 2:
                continue
            # Who is the server: the one that is ours.
            inside = [end for end in {*ends, crowd.target} if self.home.holds(*end)]
            outside = [end for end in {*ends, crowd.target} if not self.home.holds(*end)]
            if len(inside) != 1 or len(outside) != 1:
                continue
            [server], [asker] = inside, outside
            yield Finding(
                crowd.last_ns,
                "reflector",
                (*server, *asker),
                crowd,
                window.accept(),
                crowd.packets / MINUTE_S / share,
                f"{crowd.size} bytes sent in 60 s for {crowd.back}",
                f"{SENT} bytes in 60 s, {FACTOR} times what came",
                "UDP",
                address(*asker),
                ip=address(*server),
                confidence=0.7,
            )

    def save(self) -> dict[str, Any]:
        """The state, as plain data."""
        tallies = [tally.save() for tally in (self.victims, self.sent)]
        asks = [self._asks.tobytes(), self._asked.tobytes()]
        return {"tallies": tallies, "asks": asks}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        for tally, saved in zip((self.victims, self.sent), state["tallies"], strict=True):
            tally.restore(saved)
        self._asks = np.frombuffer(state["asks"][0], np.uint64)
        self._asked = np.frombuffer(state["asks"][1], np.int64)


def reflected(seen: Records) -> NDArray[np.bool_]:
    """Which of the records look like answers of reflectors that belong to no exchange."""
    found = unsolicited(seen) & (seen["size"] >= LARGE)
    found &= ports()[seen["sport"]]
    return found
