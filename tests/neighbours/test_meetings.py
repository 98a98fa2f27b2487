from __future__ import annotations

from mlids.capture import crafting as c
from mlids.neighbours.devices import Device, Flood
from mlids.neighbours.meetings import host_text, of_device, of_flood, of_port, way
from mlids.testing import packets


def test_how_devices_show_themselves() -> None:
    frames = [
        c.ethernet(c.arp(1, "10.0.0.1", "10.0.0.2"), 0x0806),
        c.ethernet(c.ip("0.0.0.0", "255.255.255.255", 17, c.udp(68, 67, b"x"))),
        c.ethernet(c.ip("10.0.0.1", "10.0.0.2", 6, c.tcp(1, 2))),
        c.ethernet(c.ip("10.0.0.1", "10.0.0.2", 2, bytes(8))),
        c.ethernet(bytes(46), 0x88CC),
    ]
    batch = packets(frames)
    said = [way(batch, row) for row in range(len(frames))]
    assert said == ["ARP", "DHCP", "TCP", "ethertype 0x0800", "ethertype 0x88cc"]


def test_names_are_safe() -> None:
    assert host_text(b"my-laptop.lan\0") == "my-laptop.lan"
    assert host_text(b"\x1b[31m<script>\xff") == "??31m?script??"
    assert len(host_text(b"x" * 200)) == 64


def test_new_device() -> None:
    told = of_device(Device(0x024000000001, 0, 5, 0, "DHCP", "10.0.0.9", "phone"), ["a"], False)
    assert told.details["ip"] == "10.0.0.9"
    assert told.details["metadata"]["hostname"] == "phone"
    assert told.details["metadata"]["randomised"] is True
    assert told.evidence == [{"source": "a", "frame": 5}]
    assert "what was seen before" in told.explanation
    plain = of_device(Device(0x3C5282000001, 0, 5, 0, "ARP"), ["a"], True)
    assert "no address yet" in plain.details["description"]
    assert "hostname" not in plain.details["metadata"]
    assert "list of known devices" in plain.explanation


def test_port_and_flood() -> None:
    batch = packets([c.ethernet(c.ip("10.0.0.1", "10.0.0.2", 6, c.tcp(23, 5000, "SA")))])
    told = of_port(batch, 0, 7, "", [])
    assert told.details["port"] == 23
    assert "expected: none" in told.explanation
    assert "00:00:00:00:00:07" in told.explanation
    flood = of_flood(Flood(0, 200, [(0, 3), (0, 2)]), ["a"])
    assert flood.severity == "HIGH"
    assert [place["frame"] for place in flood.evidence] == [3, 2]
