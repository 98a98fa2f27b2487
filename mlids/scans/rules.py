"""Rules that count one kind of thing in one sliding window: which thing, and when it is enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from mlids.scans.contacts import Contact, Kind
from mlids.scans.findings import Limits, Window

REFUSALS = 5  # port unreachables that make a UDP scan
FLAG_PORTS = 2

FLAG_RULES = {
    Kind.FIN: "fin",
    Kind.NULL: "null",
    Kind.XMAS: "xmas",
    Kind.SYNFIN: "synfin",
    Kind.FULL_XMAS: "full-xmas",
    Kind.MAIMON: "maimon",
}


class Rule(NamedTuple):
    """One rule; its name is also that of its windows and of what it finds."""

    name: str
    technique: str
    item: Callable[[Contact], Any]  # the distinct thing
    enough: Callable[[Limits, Window, int], bool]  # at this time
    window: Callable[[Limits], int]
    one_target: bool = True  # things of one target are counted, else of all


def _minute(limits: Limits) -> int:
    return limits.window_ns


def _port(contact: Contact) -> int:
    return contact.port


def _frame(contact: Contact) -> tuple[int, int]:
    return contact.capture, contact.frame


def _target(contact: Contact) -> tuple[int, int]:
    return contact.target


def _flags(limits: Limits, window: Window, time: int) -> bool:
    found = window.items.values()
    return len(found) >= limits.flag_packets and len({c.port for c in found}) >= FLAG_PORTS


def _udp(limits: Limits, window: Window, time: int) -> bool:
    """Refusals, or silence: one reply in the window makes mere silence no evidence."""
    if len(window.items) < limits.ports:
        return False
    if not window.answered or time - window.answered > limits.window_ns:
        return True
    refused = sum(each.kind == Kind.UDP_REFUSED for each in window.items.values())
    return refused >= REFUSALS


UDP = Rule("udp", "udp", _port, _udp, _minute)

RULES: dict[int, Rule] = {
    Kind.UDP_UNANSWERED: UDP,
    Kind.UDP_REFUSED: UDP,
    **{kind: Rule(name, name, _frame, _flags, _minute) for kind, name in FLAG_RULES.items()},
    Kind.ACK: Rule("ack", "ack", _port, lambda s, w, t: len(w.items) >= s.ports, _minute),
    Kind.ECHO: Rule(
        "echo", "sweep", _target, lambda s, w, t: len(w.items) >= s.echo_hosts, _minute, False
    ),
    Kind.PROTOCOL: Rule(
        "protocol", "protocol", _port, lambda s, w, t: len(w.items) >= s.protocols, _minute
    ),
    Kind.ARP: Rule(
        "arp",
        "arp",
        _target,
        lambda s, w, t: len(w.items) >= s.arp_hosts,
        lambda s: s.arp_ns,
        False,
    ),
    Kind.PROBE: Rule(
        "fingerprint",
        "fingerprint",
        lambda contact: contact.socket,
        lambda s, w, t: len(w.items) >= s.probes,
        _minute,
    ),
}
