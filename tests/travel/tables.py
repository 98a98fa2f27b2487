"""Writes small MaxMind DB files, by the published description of the format (version 2.0)."""

from __future__ import annotations

import ipaddress
import struct
from pathlib import Path
from typing import Any

MARKER = b"\xab\xcd\xefMaxMind.com"
UTF8, DOUBLE, BYTES, UINT16, UINT32, MAP = 2, 3, 4, 5, 6, 7
INT32, UINT64, ARRAY, BOOLEAN = 8, 9, 11, 14
SPOTS = {  # latitude, longitude, accuracy, town, country
    "berlin": (52.52, 13.40, 20, "Berlin", "Germany"),
    "paris": (48.85, 2.35, 20, "Paris", "France"),
    "madrid": (40.42, -3.70, 20, "Madrid", "Spain"),
    "tokyo": (35.68, 139.69, 50, "Tokyo", "Japan"),
    "lima": (-12.05, -77.05, 20, "Lima", "Peru"),
}


def _control(kind: int, size: int) -> bytes:
    first = (kind << 5 if kind < 8 else 0) | min(size, 29)
    extra = bytes([size - 29]) if size >= 29 else b""
    assert size < 29 + 256
    return bytes([first]) + (bytes([kind - 7]) if kind >= 8 else b"") + extra


def encoded(value: Any) -> bytes:
    if isinstance(value, bool):
        return _control(BOOLEAN, int(value))
    if isinstance(value, str):
        return _control(UTF8, len(value.encode())) + value.encode()
    if isinstance(value, bytes):
        return _control(BYTES, len(value)) + value
    if isinstance(value, float):
        return _control(DOUBLE, 8) + struct.pack(">d", value)
    if isinstance(value, int):
        if value < 0:
            return _control(INT32, 4) + struct.pack(">i", value)
        size = (value.bit_length() + 7) // 8
        kind = UINT16 if size <= 2 else UINT32 if size <= 4 else UINT64
        return _control(kind, size) + value.to_bytes(size, "big")
    if isinstance(value, dict):
        pairs = (encoded(key) + encoded(one) for key, one in value.items())
        return _control(MAP, len(value)) + b"".join(pairs)
    return _control(ARRAY, len(value)) + b"".join(map(encoded, value))


def record(
    latitude: float, longitude: float, radius: int | None = None, city: str = "", country: str = ""
) -> dict[str, Any]:
    """A record as tables of towns have it."""
    spot: dict[str, Any] = {"latitude": float(latitude), "longitude": float(longitude)}
    if radius is not None:
        spot["accuracy_radius"] = radius
    made: dict[str, Any] = {"location": spot}
    if city:
        made["city"] = {"names": {"de": f"{city}-de", "en": city}}
    if country:
        made["country"] = {"iso_code": country[:2].upper(), "names": {"en": country}}
    return made


def spot(name: str) -> dict[str, Any]:
    return record(*SPOTS[name])


def write(path: Path, networks: dict[str, Any], version: int = 6) -> str:
    """Write a table that has these records; returns its path. version: 4 or 6 (holds both)."""
    nodes: list[list[int | None]] = [[None, None]]
    data, offsets = b"", {}
    for text, value in networks.items():
        raw = encoded(value)
        if raw not in offsets:
            offsets[raw] = len(data)
            data += raw
        network = ipaddress.ip_network(text)
        length, bits = network.prefixlen, network.max_prefixlen
        number = int(network.network_address) >> (bits - length)
        if version == 6 and network.version == 4:
            length += 96  # IPv4 stands in ::/96
        node = 0
        for place in range(length - 1, -1, -1):
            side = number >> place & 1
            if not place:
                nodes[node][side] = -1 - offsets[raw]
                continue
            if nodes[node][side] is None:
                nodes.append([None, None])
                nodes[node][side] = len(nodes) - 1
            node = nodes[node][side]
    tree = b"".join(struct.pack(">II", *(_pointer(one, len(nodes)) for one in n)) for n in nodes)
    about = {
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": 1_736_764_245,
        "database_type": "Test-City",
        "description": {"en": "a table for tests"},
        "ip_version": version,
        "languages": ["en"],
        "node_count": len(nodes),
        "record_size": 32,
    }
    path.write_bytes(tree + bytes(16) + data + MARKER + encoded(about))
    return str(path)


def _pointer(value: int | None, nodes: int) -> int:
    if value is None:
        return nodes
    return value if value >= 0 else nodes + 16 + (-1 - value)
