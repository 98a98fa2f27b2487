"""What is told of devices: new ones, unexpected ports, floods of senders."""

from __future__ import annotations

from typing import Any

from mlids.batches import PacketBatch
from mlids.capture import dhcp
from mlids.capture.addresses import address
from mlids.capture.macs import mac_text
from mlids.episodes import Account
from mlids.neighbours.devices import Device, Flood

TCP, UDP = 6, 17
NAMES = {TCP: "TCP", UDP: "UDP", 1: "ICMP", 58: "ICMPv6"}
RANDOM = 1 << 41  # the bit of addresses that no maker gave (IEEE 802 § 8.2)
MOST_HOST = 64


def way(batch: PacketBatch, row: int) -> str:
    """How a device showed itself in this packet."""
    ethertype, protocol = int(batch.ethertype[row]), int(batch.protocol[row])
    if ethertype == 0x0806:
        return "ARP"
    if protocol == UDP and int(batch.sport[row]) == dhcp.CLIENT:
        return "DHCP"
    return NAMES.get(protocol, f"ethertype 0x{ethertype:04x}")


def host_text(value: bytes) -> str:
    """The name that a device gives itself, as text that harms nobody."""
    text = value[:MOST_HOST].decode("ascii", "replace").strip("\0 ")
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_. ") else "?" for c in text)


def of_device(device: Device, captures: list[str], listed: bool) -> Account:
    """The account of a new device; listed: there is a list of those that may be there."""
    mac, randomised = mac_text(device.mac), bool(device.mac & RANDOM)
    called = f" ({device.host})" if device.host else ""
    made = ", a randomised address" if randomised else ""
    where = "the list of known devices" if listed else "what was seen before"
    metadata: dict[str, Any] = {
        "technique": "new",
        "mac": mac,
        "randomised": randomised,
        "seen": device.how,
    }
    if device.host:
        metadata["hostname"] = device.host
    return Account(
        "New Device",
        "MEDIUM",
        "device/new",
        {
            "ip": device.ip,
            "mac": mac,
            "hostname": device.host,
            "description": f"new device {mac}{called} at {device.ip or 'no address yet'}{made}",
            "metadata": metadata,
        },
        f"{mac} first spoke ({device.how}); it is not in {where}",
        [{"source": captures[device.capture], "frame": device.frame}],
        ["T1200"],
        ["device", "new"],
    )


def of_port(batch: PacketBatch, row: int, mac: int, name: str, ports: list[int]) -> Account:
    """The account of a known device that serves what it should not."""
    protocol, port = NAMES[int(batch.protocol[row])], int(batch.sport[row])
    expected = ", ".join(map(str, ports)) or "none"
    called = name or mac_text(mac)
    reason = f"{called} serves {protocol} port {port}; expected: {expected}"
    return Account(
        "New Device",
        "MEDIUM",
        "device/unexpected-port",
        {
            "ip": address(int(batch.src_hi[row]), int(batch.src_lo[row])),
            "target": address(int(batch.dst_hi[row]), int(batch.dst_lo[row])),
            "port": port,
            "protocol": protocol,
            "mac": mac_text(mac),
            "description": reason,
            "metadata": {
                "technique": "unexpected-port",
                "mac": mac_text(mac),
                "name": name,
                "expected": ports,
            },
        },
        reason,
        [batch.evidence(row)],
        ["T1571"],
        ["device", "unexpected-port"],
    )


def of_flood(flood: Flood, captures: list[str]) -> Account:
    """The account of a flood of new senders."""
    reason = f"{flood.senders} senders that were never seen before, within 10 s"
    return Account(
        "New Device",
        "HIGH",
        "device/mac-flood",
        {
            "description": f"{reason}: the tables of switches overflow",
            "metadata": {"technique": "mac-flood", "senders": flood.senders, "window_s": 10},
        },
        f"{reason}; threshold {flood.senders} in 10 s",
        [{"source": captures[capture], "frame": frame} for capture, frame in flood.places],
        ["T1557", "T1499"],
        ["device", "mac-flood"],
    )
