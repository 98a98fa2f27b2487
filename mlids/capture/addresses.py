"""Addresses as two 64-bit words, the way packet columns hold them, and sets of networks of them."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mlids.addresses import HOME

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAPPED = 0xFFFF_0000_0000  # what stands before the 32 bits of an IPv4 address in the low word
WORD = 0xFFFF_FFFF_FFFF_FFFF

__all__ = ["HOME", "MAPPED", "WORD", "Networks", "address", "is_group", "words"]


@lru_cache(maxsize=65536)
def address(hi: int, lo: int) -> str:
    """The usual text of an address; an IPv4-mapped one is a dotted quad."""
    if hi == 0 and lo >> 32 == 0xFFFF:
        return socket.inet_ntoa(struct.pack(">I", lo & 0xFFFF_FFFF))
    return socket.inet_ntop(socket.AF_INET6, struct.pack(">QQ", hi, lo))


def words(text: str) -> tuple[int, int]:
    """The two words of an address, IPv4 mapped. Raises ValueError."""
    parsed = ipaddress.ip_address(text)
    if parsed.version == 4:
        return 0, MAPPED | int(parsed)
    return int(parsed) >> 64, int(parsed) & WORD


class _Network(NamedTuple):
    hi: int
    hi_mask: int
    lo: int
    lo_mask: int


class Networks:
    """A set of networks: ``["10.0.0.0/8", "2001:db8::1"]``. Raises ValueError for what is none."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._networks = [_network(text) for text in texts]

    def __bool__(self) -> bool:
        return bool(self._networks)

    def holds(self, hi: int, lo: int) -> bool:
        """Whether one address belongs to any of them."""
        return any(hi & n.hi_mask == n.hi and lo & n.lo_mask == n.lo for n in self._networks)

    def among(self, hi: NDArray[np.uint64], lo: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """For each address whether it belongs to any of them."""
        found = np.zeros(len(hi), dtype=bool)
        for n in self._networks:
            found |= ((hi & np.uint64(n.hi_mask)) == np.uint64(n.hi)) & (
                (lo & np.uint64(n.lo_mask)) == np.uint64(n.lo)
            )
        return found


def _network(text: str) -> _Network:
    parsed = ipaddress.ip_network(text, strict=False)
    first, mask = int(parsed.network_address), int(parsed.netmask)
    if parsed.version == 4:
        first, mask = MAPPED | first, WORD << 64 | (WORD << 32 & WORD) | mask
    return _Network(first >> 64, mask >> 64, first & WORD, mask & WORD)


def is_group(hi: NDArray[np.uint64], lo: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """For each address whether it is multicast or the limited broadcast address."""
    mapped = (hi == 0) & (lo >> np.uint64(32) == 0xFFFF)
    four = lo & np.uint64(0xFFFF_FFFF)
    found: NDArray[np.bool_] = mapped & ((four >> np.uint64(28) == 0xE) | (four == 0xFFFF_FFFF))
    found |= hi >> np.uint64(56) == 0xFF
    return found
