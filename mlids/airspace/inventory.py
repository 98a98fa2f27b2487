"""Which wireless networks are ours, and who else uses their names."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec

from mlids.capture.beacons import Security
from mlids.capture.macs import mac_number

MacText = Annotated[str, msgspec.Meta(pattern=r"^\s*[0-9A-Fa-f]{2}([:.-]?[0-9A-Fa-f]{2}){5}\s*$")]


class Network(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One of our networks: its name, its access points, and how it is protected."""

    ssid: Annotated[str, msgspec.Meta(min_length=1, max_length=32, description="its name")]
    bssids: Annotated[list[MacText], msgspec.Meta(description="its access points")] = []
    channels: Annotated[list[int], msgspec.Meta(description="where they send; empty: any")] = []
    security: Annotated[
        Literal["open", "wep", "wpa", "wpa2", "wpa3"],
        msgspec.Meta(description="what they offer at least"),
    ] = "wpa2"


class Known(NamedTuple):
    """What the inventory says of a name: its networks, and whether it is only alike."""

    networks: tuple[int, ...]
    alike: bool


class Seen(NamedTuple):
    """One beacon or probe response."""

    bssid: int
    channel: int  # 0 where it is not known
    security: int


class Inventory:
    """Our networks, by name and by access point."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self.networks = networks
        self.points: dict[int, list[int]] = {}  # by BSSID
        for index, network in enumerate(networks):
            for bssid in network.bssids:
                self.points.setdefault(mac_number(bssid), []).append(index)
        self._names = [network.ssid.encode() for network in networks]
        self._shapes = [shape(name) for name in self._names]

    def named(self, ssid: bytes) -> Known:
        """Which of ours have this name, or one that looks like it."""
        exact = tuple(n for n, name in enumerate(self._names) if name == ssid)
        if exact:
            return Known(exact, False)
        seen = shape(ssid)
        return Known(
            tuple(n for n, known in enumerate(self._shapes) if seen and known == seen), True
        )

    def complaint(self, known: Known, seen: Seen) -> tuple[str, str]:
        """What is wrong with an access point that uses a name of ours: technique and reason.

        Both are empty where it is one of ours, or any network of that name would allow it.
        """
        found = [self._complaint(self.networks[n], n, known, seen) for n in known.networks]
        return ("", "") if not found or ("", "") in found else found[0]

    def _complaint(self, network: Network, index: int, known: Known, seen: Seen) -> tuple[str, str]:
        ours = index in self.points.get(seen.bssid, [])
        if known.alike:
            alike = ("evil-twin", f"a name that looks like {network.ssid}")
            return ("", "") if ours else alike
        if network.bssids and not ours:
            return "evil-twin", "our name from an access point that is not ours"
        least = Security[network.security.upper()]
        if seen.security < least:
            offered = Security(seen.security).name
            return "downgrade", f"{offered} where our network has {least.name} at least"
        if network.channels and seen.channel and seen.channel not in network.channels:
            return "channel", f"our access point on channel {seen.channel}, where it never is"
        return "", ""


def shape(ssid: bytes) -> str:
    """What a person sees of a name: case, spaces and what is invisible are left out."""
    text = unicodedata.normalize("NFKC", ssid.decode("utf-8", "replace")).casefold()
    return "".join(c for c in text if c.isprintable() and not c.isspace())


def unrelated(names: Sequence[str]) -> int:
    """How many groups of names there are; those that begin alike belong together.

    ``Home``, ``Home-5G`` and ``HOME guest`` are one group.
    """
    return len({shape(name.encode())[:4] for name in names})
