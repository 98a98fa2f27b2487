"""Domains that are left out of what is counted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from mlids.capture import dns

if TYPE_CHECKING:
    from numpy.typing import NDArray

REVERSE = ("in-addr.arpa", "ip6.arpa")
# Whoever rents from these runs no name server there; or they are asked for reputations by hash.
KNOWN = [
    "akadns.net", "akamai.net", "akamaiedge.net", "akamaihd.net", "amazonaws.com", "avast.com",
    "azure.com", "azureedge.net", "barracudacentral.org", "cloudapp.net", "cloudfront.net",
    "cluster.local", "cymru.com", "dnswl.org", "dotnxdomain.net", "e5.sk", "edgekey.net",
    "edgesuite.net",
    "fbcdn.net", "google.com", "googlesyndication.com", "googleusercontent.com",
    "googlevideo.com", "mcafee.com", "microsoft.com", "nflxvideo.net", "office.com",
    "onmicrosoft.com", "sophosxl.net", "spamhaus.net", "spamhaus.org", "surbl.org",
    "trafficmanager.net", "trendmicro.com", "uribl.com", "windows.net",
]  # fmt: skip


class Ignored:
    """Domains that are left out, reverse lookups among them.

    Those deeper than a registered domain are compared by length. Raises ValueError for what is no
    name.
    """

    def __init__(self, names: Iterable[str]) -> None:
        wires = {name: dns.wire(name) for name in (*names, *REVERSE)}
        self._registered = _keys(w for n, w in wires.items() if dns.registered(n))
        deeper = [w for n, w in wires.items() if not dns.registered(n)]
        self._deeper = {
            size: _keys(w for w in deeper if len(w) == size) for size in map(len, deeper)
        }

    def among(
        self, data: NDArray[np.uint8], asked: dns.Questions, domains: NDArray[np.uint64]
    ) -> NDArray[np.bool_]:
        """For each name whether it is left out; domains: keys of the registered domains."""
        found: NDArray[np.bool_] = np.isin(domains, self._registered)
        for size, keys in self._deeper.items():
            at = np.maximum(asked.end - size, asked.at)
            found |= np.isin(dns.name_key(data, at, asked.end), keys)
        return found


def _keys(wires: Iterable[bytes]) -> NDArray[np.uint64]:
    known = list(wires)
    ends = np.cumsum([len(wire) for wire in known], dtype=np.int64)
    data = np.frombuffer(b"".join(known) + bytes(64), np.uint8)
    starts = ends - np.array([len(wire) for wire in known], np.int64)
    return dns.name_key(data, starts, ends)
