"""Places of addresses, out of the user's own location table, and how far they lie apart.

A place is only as good as its table: each has a radius within which it may be wrong, and networks
whose users are elsewhere (a VPN's exits) have no place at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mlids import addresses
from mlids.errors import MLIDSError

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

EARTH_KM = 6371.0088  # mean radius (IUGG)
ACCURACY_KM = 100.0  # of a town whose table names no radius
COUNTRY_KM = 1000.0  # of the middle of a country, which stands where no town is known
PROBED = 256  # records of a table among which one must have a location
NOWHERE = ("is_anycast", "is_satellite_provider")  # traits of addresses that are at no one place
HINT = "name a table of towns with locations, such as GeoLite2-City.mmdb or dbip-city-lite.mmdb"
NAME = 100  # letters of a name that are kept


class Place(NamedTuple):
    """A spot (degrees), the radius in km within which it may be wrong, and what it is called."""

    latitude: float
    longitude: float
    accuracy_km: float
    city: str = ""
    country: str = ""

    @property
    def title(self) -> str:
        """Town and country as far as they are known, else the spot."""
        named = ", ".join(part for part in (self.city, self.country) if part)
        return named or f"{self.latitude:.2f}, {self.longitude:.2f}"


def distance_km(a: Place, b: Place) -> float:
    """The great-circle distance of two spots in km, by the haversine formula."""
    north_a, north_b = math.radians(a.latitude), math.radians(b.latitude)
    east = math.radians(b.longitude - a.longitude)
    half = math.sin((north_b - north_a) / 2) ** 2
    half += math.cos(north_a) * math.cos(north_b) * math.sin(east / 2) ** 2
    return 2 * EARTH_KM * math.asin(math.sqrt(min(1.0, half)))


def apart_km(a: Place, b: Place) -> float:
    """The least distance that two places can have, each being wrong by its radius; 0 at least."""
    return max(0.0, distance_km(a, b) - a.accuracy_km - b.accuracy_km)


class Networks:
    """A set of networks of any number. Raises ValueError for a text that is none."""

    def __init__(self, texts: Iterable[str]) -> None:
        import ipaddress

        self._by_size: dict[tuple[int, int], set[int]] = {}
        for text in texts:
            network = ipaddress.ip_network(text.strip(), strict=False)
            free = network.max_prefixlen - network.prefixlen
            known = self._by_size.setdefault((network.version, free), set())
            known.add(int(network.network_address) >> free)

    def holds(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether an address belongs to one of them."""
        number, version = int(address), address.version
        return any(
            version == kind and number >> free in known
            for (kind, free), known in self._by_size.items()
        )


class Table:
    """A MaxMind DB file (.mmdb) with locations; elsewhere: networks whose users are elsewhere.

    The file is read where it is looked up, and not mapped: a table that is overwritten while MLIDS
    runs must not end the process, as a mapped one does when it gets shorter. Raises `MLIDSError`:
    E007 (not there), E004 (may not be read), E002 (no table, or one without locations), E005
    (maxminddb is missing); ValueError for a network that is none.
    """

    def __init__(self, path: str, elsewhere: Iterable[str] = ()) -> None:
        self._elsewhere = Networks([*elsewhere, *addresses.HOME])
        self._reader = _opened(path)
        self.place = lru_cache(maxsize=16_384)(self._place)

    def _place(self, address: str) -> Place | None:
        """Where an address is; None where that is not known, or nothing to go by."""
        import ipaddress

        try:
            known = ipaddress.ip_address(address)
            return None if self._elsewhere.holds(known) else place(self._reader.get(known))
        except Exception:  # no address; IPv6 in a table of IPv4; a table that was damaged since
            return None


def _opened(path: str) -> Any:
    try:
        import maxminddb
    except ImportError:
        hint = "pip install maxminddb"
        raise MLIDSError("E005", "maxminddb is needed for location tables", hint) from None
    try:
        reader = maxminddb.open_database(str(Path(path).expanduser()), maxminddb.MODE_FILE)
        located = any(place(record) for _, record in islice(reader, PROBED))
    except FileNotFoundError:
        raise MLIDSError("E007", f"location table {path} is not there") from None
    except PermissionError:
        raise MLIDSError("E004", f"location table {path} may not be read") from None
    except Exception as error:  # whatever a damaged file leads to
        raise MLIDSError("E002", f"{path} is no MaxMind DB: {error}", HINT) from None
    if not located:
        reader.close()
        raise MLIDSError("E002", f"{path} holds no locations", HINT)
    return reader


def place(record: Any) -> Place | None:
    """The place that a record of a table tells, None where it tells none."""
    if not isinstance(record, Mapping):
        return None
    traits = record.get("traits")
    if isinstance(traits, Mapping) and any(traits.get(name) is True for name in NOWHERE):
        return None
    spot = record.get("location")
    if not isinstance(spot, Mapping):
        return None
    north, east = _number(spot.get("latitude")), _number(spot.get("longitude"))
    if north is None or east is None or not (-90 <= north <= 90 and -180 <= east <= 180):
        return None
    city, country = _name(record.get("city")), _name(record.get("country"))
    radius = _number(spot.get("accuracy_radius"))
    if radius is None or radius < 0:
        radius = COUNTRY_KM if country and not city else ACCURACY_KM
    return Place(north, east, radius, city, country)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) < 1e6 else None  # what is no number is not smaller either


def _name(value: Any) -> str:
    """The English name of a town or country, else any name, else its code."""
    if not isinstance(value, Mapping):
        return ""
    names = value.get("names")
    if isinstance(names, Mapping) and names:
        name = names.get("en") or next(iter(names.values()))
    else:
        name = value.get("name") or value.get("iso_code")
    return name[:NAME] if isinstance(name, str) else ""
