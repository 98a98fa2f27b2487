"""All contacts that the packets of a batch make, whatever their protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlids.capture.addresses import Networks
from mlids.capture.quotes import quotes
from mlids.scans.contacts import CLIENTLIKE, Kind, contacts, joined, taken
from mlids.scans.fingerprints import probes
from mlids.scans.flags import classed
from mlids.scans.forwarders import Forwarders
from mlids.scans.layers import ArpContacts, Protocols, rest
from mlids.scans.strays import Strays
from mlids.scans.tcp import TcpContacts
from mlids.scans.udp import UdpContacts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch
    from mlids.scans.contacts import Records

    Rows = NDArray[Any]


TRIED_FIRST = (25, 80, 443)  # ports whose clients try IPv6 first (RFC 6724, RFC 8305)


class Seen(NamedTuple):
    """Contacts that failed, at their moments, and rows by which ports answer."""

    failed: Records
    opened: Rows  # TCP
    answered: Rows  # UDP


class Contacts:
    """Hands each packet to what knows its protocol; answers within `grace_ns` settle a contact.

    most: contacts of each kind that wait for an answer; gateways: addresses.
    """

    def __init__(self, grace_ns: int, most: int, home: Networks, gateways: list[str]) -> None:
        self._home = home
        self._tcp = TcpContacts(grace_ns, most)
        self._strays = Strays(grace_ns, most)
        self._udp = UdpContacts(grace_ns, most)
        self._arp = ArpContacts(grace_ns, most)
        self._protocols = Protocols()
        self._forwarders = Forwarders(home, Networks(gateways))

    @property
    def evicted(self) -> int:
        """Contacts that were given up before their time for an answer had passed."""
        waiting = (self._tcp, self._strays, self._udp, self._arp)
        return sum(each.attempts.evicted for each in waiting)

    def inspect(self, batch: PacketBatch, capture: int) -> Seen:
        """The contacts of a batch."""
        self._forwarders.learn(batch)
        tcp, other = classed(batch), rest(batch)
        quoted = quotes(batch, other.lost) if len(other.lost) else None
        found = self._tcp.inspect(batch, tcp, quoted, capture)
        found += self._strays.inspect(batch, tcp, capture)
        udp = self._udp.inspect(batch, quoted, capture)
        found += udp.failed
        if len(other.questions):
            found.append(contacts(batch, other.questions, capture, Kind.ECHO))
        if len(other.others) or len(other.lost):
            found += self._protocols.inspect(batch, other, capture)
        found += self._arp.inspect(batch, other.arp, capture, self._forwarders)
        found += probes(batch, tcp, self._strays.bare, other.questions, capture)
        return Seen(self._marked(joined(found)), tcp.opens, udp.answers)

    def _marked(self, made: Records) -> Records:
        """Mark failures that clients have all the time, which say little about a scan.

        Silence of UDP from home outwards: it is filtered on the way (QUIC), or its target is gone
        (name servers, peers). And IPv6 contacts with web and mail servers elsewhere: programs try
        IPv6 first, and go on with IPv4 where it does not work.
        """
        kind = made["kind"]
        silent = kind == Kind.UDP_UNANSWERED
        six = (kind <= Kind.REFUSED) & (made["src_hi"] > 0) & np.isin(made["port"], TRIED_FIRST)
        rows = np.flatnonzero(silent | six)
        if len(rows):
            some = taken(made, rows)
            abroad = ~self._home.among(some["dst_hi"], some["dst_lo"])
            abroad &= six[rows] | self._home.among(some["src_hi"], some["src_lo"])
            made["socket"][rows[abroad]] |= CLIENTLIKE
        return made

    def flush(self) -> Records:
        """Contacts whose grace the end of the input cut short: they stay unanswered."""
        found = self._tcp.flush() + self._strays.flush() + self._udp.flush()
        return self._marked(joined(found + self._arp.flush(self._forwarders)))

    def save(self) -> list[Any]:
        """The state, as plain data."""
        return [
            self._tcp.save(),
            self._strays.save(),
            self._udp.save(),
            self._arp.attempts.save(),
            self._protocols.save(),
            self._forwarders.save(),
        ]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        self._tcp.restore(state[0])
        self._strays.restore(state[1])
        self._udp.restore(state[2])
        self._arp.attempts.restore(state[3])
        self._protocols.restore(state[4])
        self._forwarders.restore(state[5])
