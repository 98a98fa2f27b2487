"""Probes by which scanners tell operating systems apart, as nmap -O sends them.

Facts from "Remote OS Detection" of nmap's published reference guide (§ TCP/IP Fingerprinting
Methods Supported by Nmap): T2 to T7, ECN, IE and U1. What an ordinary host may send too, such as a
SYN or a bare ACK, counts only with the window or option that nmap gives it.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.capture.headers import gather, ipv4_header
from mlids.scans.contacts import Kind, contacts
from mlids.scans.flags import ACK, CORE, FIN, PSH, SYN, URG

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch
    from mlids.scans.contacts import Records
    from mlids.scans.flags import Classed

    Rows = NDArray[Any]

T2, T3, T4, T5, T6, T7, ECN, IE1, IE2, U1 = range(1, 11)
NAMES = ("", "T2", "T3", "T4", "T5", "T6", "T7", "ECN", "IE1", "IE2", "U1")
CONGESTION = 0xC0  # ECE and CWR
WINDOWS = {T4: 1024, T5: 31337, T6: 32768}
U1_SIZE, U1_BYTE = 300, 0x43
IE1_CODE, IE2_TOS, IE2_SIZE = 9, 4, 150
TIMESTAMP = 8  # kind of the option whose value nmap sets to all ones
OPTIONS = 20  # bytes of options of T2 to T7


class Layout:
    """Record types; made when they are first needed."""

    @staticmethod
    @cache
    def tcp() -> np.dtype[Any]:
        """What the usual reading of a TCP header leaves out, and the options behind it."""
        return np.dtype(
            {
                "names": ["reserved", "window", "urgent", "stamp", "value"],
                "formats": ["u1", ">u2", ">u2", "u1", ">u4"],
                "offsets": [12, 14, 18, 28, 30],
                "itemsize": 40,
            }
        )


def probes(
    batch: PacketBatch, rows: Classed, bare: Rows, questions: Rows, capture: int
) -> list[Records]:
    """The probes among these rows; bare: ACKs outside connections; questions: of ICMP."""
    found = [
        (np.sort(np.concatenate((rows.asks, rows.odd, rows.nothing, bare))), _tcp),
        (questions, _icmp),
        (np.flatnonzero((batch.payload_length == U1_SIZE) & (batch.protocol == 17)), _udp),
    ]
    made = []
    for some, kinds_of in found:
        if not len(some):
            continue
        kinds = kinds_of(batch, some)
        hit = np.flatnonzero(kinds)
        if len(hit):
            records = contacts(batch, some[hit], capture, Kind.PROBE)
            records["socket"] = kinds[hit]
            made.append(records)
    return made


def _tcp(batch: PacketBatch, rows: Rows) -> NDArray[np.uint8]:
    kinds = np.zeros(len(rows), np.uint8)
    flags = batch.flags[rows]
    core = flags & CORE
    kinds[core == 0] = T2
    kinds[core == SYN | FIN | URG | PSH] = T3
    kinds[core == FIN | PSH | URG] = T7
    at = batch.start[rows] + batch.transport[rows]
    size = batch.payload_start[rows] - at
    maybe = (size == 20 + OPTIONS) | (flags & CONGESTION > 0)
    rest = np.flatnonzero(((core == SYN) | (core == ACK)) & maybe)
    if not len(rest):
        return kinds
    header, size = gather(batch.data, at[rest], Layout.tcp()), size[rest]
    stamped = (header["stamp"] == TIMESTAMP) & (header["value"] == 0xFFFF_FFFF)
    stamped &= size == 20 + OPTIONS
    window, syn, ack = header["window"], core[rest] == SYN, core[rest] == ACK
    kinds[rest[ack & stamped & (window == WINDOWS[T4])]] = T4
    kinds[rest[ack & stamped & (window == WINDOWS[T6])]] = T6
    kinds[rest[syn & (window == WINDOWS[T5])]] = T5
    # The lowest of the reserved bits is in use again (RFC 9768, accurate ECN).
    odd = (header["urgent"] > 0) | (header["reserved"] & 0x0E > 0)
    kinds[rest[syn & odd & (flags[rest] & CONGESTION == CONGESTION)]] = ECN
    return kinds


def _icmp(batch: PacketBatch, rows: Rows) -> NDArray[np.uint8]:
    kinds = np.zeros(len(rows), np.uint8)
    echo = np.isin(batch.icmp_type[rows], (8, 128))
    kinds[echo & (batch.icmp_code[rows] == IE1_CODE)] = IE1
    second = echo & (batch.icmp_code[rows] == 0) & (batch.payload_length[rows] == IE2_SIZE)
    if second.any():
        ip = gather(batch.data, batch.start[rows] + batch.network[rows], ipv4_header())
        tos = batch.data[batch.start[rows] + batch.network[rows] + 1]
        kinds[second & (ip["first"] >> 4 == 4) & (tos == IE2_TOS)] = IE2
    return kinds


def _udp(batch: PacketBatch, rows: Rows) -> NDArray[np.uint8]:
    """Datagrams of 300 times the letter C; the first and the last eight are looked at."""
    at = batch.payload_start[rows]
    whole = batch.start[rows] + batch.captured[rows] >= at + U1_SIZE
    rows, at, kinds = rows[whole], at[whole], np.zeros(len(rows), np.uint8)
    letters = np.ones(len(rows), bool)
    for offset in (0, 8, U1_SIZE // 2, U1_SIZE - 8):
        word = gather(batch.data, at + offset, np.dtype(">u8"))
        letters &= word == int.from_bytes(bytes([U1_BYTE]) * 8)
    kinds[np.flatnonzero(whole)[letters]] = U1
    return kinds
