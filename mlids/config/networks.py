"""Networks in a configuration: those that are none are mistakes, odd ones are doubts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Path = tuple[str, ...]
KEYS = frozenset(
    ("home_networks", "exclude_ips", "ignore_sources", "ignore_targets", "vpn_networks")
)
HOME: Path = ("network", "home_networks")


def problems(values: Mapping[str, Any], line: Callable[[Path], int | None]) -> list[str]:
    """What is neither an address nor a network, with line and key."""
    found = []
    for path, text in _texts(values):
        try:
            _network(text)
        except ValueError:
            at = f"line {line(path)}: " if line(path) else ""
            found.append(
                f"{at}{'.'.join(path)}: {text!r} is neither an address nor a network,"
                " such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32"
            )
    return found


def doubts(values: Mapping[str, Any]) -> list[str]:
    """What can hardly be meant; only of what is right otherwise."""
    found = []
    for path, text in _texts(values):
        key, network = ".".join(path), _network(text)
        if "/" in text and str(network) != _plain(text):
            found.append(f"{key}: {text} is read as {network}, the network that it belongs to")
        if network.prefixlen == 0:
            what = "nothing counts as outside" if path == HOME else "nothing is looked at"
            found.append(f"{key}: {network} holds every address, so {what}")
    home = values.get("network", {}).get("home_networks")
    if home is not None and not home:
        found.append("network.home_networks is empty: every address counts as outside")
    return found


def strangers(home: Iterable[str], own: Iterable[str]) -> list[str]:
    """Addresses of this machine that none of the home networks holds."""
    import ipaddress

    networks = [_network(text) for text in home]
    addresses = map(ipaddress.ip_address, own)
    return [str(a) for a in addresses if not any(a in network for network in networks)]


def _texts(values: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text below a key that takes networks."""
    for key, value in values.items():
        here = (*path, str(key))
        if isinstance(value, Mapping):
            yield from _texts(value, here)
        elif key in KEYS and isinstance(value, list):
            yield from ((here, text) for text in value if isinstance(text, str))


def _network(text: str) -> Any:
    import ipaddress  # most configurations name none

    return ipaddress.ip_network(text.strip(), strict=False)


def _plain(text: str) -> str:
    """The same in the usual spelling, host part included."""
    import ipaddress

    address, _, length = text.strip().partition("/")
    network = _network(text)
    if length != str(network.prefixlen):  # a netmask in the place of a length
        return str(network) if ipaddress.ip_address(address) == network[0] else text
    return f"{ipaddress.ip_address(address)}/{length}"
