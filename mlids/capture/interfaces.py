"""Network interfaces of this machine: which exist, which are up, which lead outside (Linux)."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
from pathlib import Path

# SIOCGIFFLAGS, SIOCGIFADDR, SIOCGIFHWADDR
_GET_FLAGS, _GET_ADDRESS, _GET_HARDWARE = 0x8913, 0x8915, 0x8927
UP, LOOPBACK = 0x1, 0x8
ROUTE_UP = 0x1
ETHERNET_KINDS = (1, 772)  # ARPHRD_ETHER, ARPHRD_LOOPBACK


def names() -> list[str]:
    """All interfaces."""
    return [name for _, name in socket.if_nameindex()]


def index(name: str) -> int:
    """The number of an interface, 0 where there is none."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def flags(name: str) -> int:
    """Its flags (`UP`, `LOOPBACK`), 0 where there is none."""
    return struct.unpack("H", _ask(name, _GET_FLAGS)[16:18])[0]  # type: ignore[no-any-return]


def has_ethernet_headers(name: str) -> bool:
    """Whether its frames begin with an Ethernet header (tunnels and PPP have none)."""
    return struct.unpack("H", _ask(name, _GET_HARDWARE)[16:18])[0] in ETHERNET_KINDS


def _ask(name: str, what: int) -> bytes:
    encoded = name.encode()[:15]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker, contextlib.suppress(OSError):
        return fcntl.ioctl(asker, what, struct.pack("16s24x", encoded))
    return bytes(40)


def own_addresses() -> list[str]:
    """The addresses of this machine that others know it by: no loopback, no link-local ones."""
    found = []
    for name in names():
        answer = _ask(name, _GET_ADDRESS)
        if answer[16:18] != bytes(2) and not flags(name) & LOOPBACK:
            found.append(socket.inet_ntoa(answer[20:24]))
    for line in _lines(Path("/proc/net/if_inet6")):
        packed, scope = bytes.fromhex(line.split()[0]), int(line.split()[3], 16)
        if scope == 0:  # global
            found.append(socket.inet_ntop(socket.AF_INET6, packed))
    return found


def automatic() -> list[str]:
    """The interfaces with a default route; else all that are up but loopback; else loopback."""
    there = names()
    routed = [name for name in _default_routes() if name in there]
    up = [name for name in there if flags(name) & UP and not flags(name) & LOOPBACK]
    return list(dict.fromkeys(routed)) or up or [n for n in there if flags(n) & LOOPBACK]


def _default_routes(folder: Path = Path("/proc/net")) -> list[str]:
    found = []
    for line in _lines(folder / "route")[1:]:
        fields = line.split()  # interface destination gateway flags … mask
        if len(fields) > 7 and fields[1] == fields[7] == "00000000" and int(fields[3], 16) & 1:
            found.append(fields[0])
    for line in _lines(folder / "ipv6_route"):
        fields = line.split()  # destination length … flags interface
        if len(fields) == 10 and fields[0] == "0" * 32 and fields[1] == "00":
            usable = int(fields[8], 16) & ROUTE_UP and fields[9] != "lo"
            found += [fields[9]] if usable else []
    return found


def _lines(path: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return path.read_text().splitlines()
    return []
