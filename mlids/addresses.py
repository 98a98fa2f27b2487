"""Internet addresses as detectors handle them: one spelling each, prefixes, inside or outside."""

from __future__ import annotations

from functools import lru_cache

# Private (RFC 1918, RFC 6598, RFC 4193), loopback and link-local: what is not outside.
HOME = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)
LONGEST = 128  # characters of a text that may be an address: 45, and the name of a zone
V6_PREFIXES = (64, 56, 48)  # what one customer, a site, a large site is commonly given


def normalise(text: str) -> str:
    """The usual spelling of an address, "" where the text is none.

    ``::ffff:1.2.3.4`` is ``1.2.3.4``, the zone of ``fe80::1%eth0`` is left out, brackets go.
    """
    return _normalised(text) if len(text) <= LONGEST else ""  # what is remembered is bounded


@lru_cache(maxsize=65536)
def _normalised(text: str) -> str:
    import ipaddress

    try:
        address = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def keys(address: str) -> tuple[str, ...]:
    """What an attacker with this address is counted by, narrowest first.

    An IPv4 address by itself; an IPv6 address by its /64, and by /56 and /48, since one attacker
    easily has that many. Anything else (a host name) by itself.
    """
    return _keys(address) if ":" in address and len(address) <= LONGEST else (address,)


@lru_cache(maxsize=65536)
def _keys(address: str) -> tuple[str, ...]:
    import ipaddress

    try:
        whole = int(ipaddress.IPv6Address(address))
    except ValueError:
        return (address,)
    return tuple(_network(whole, bits) for bits in V6_PREFIXES)


def _network(whole: int, bits: int) -> str:
    import ipaddress

    return f"{ipaddress.IPv6Address(whole >> (128 - bits) << (128 - bits))}/{bits}"
