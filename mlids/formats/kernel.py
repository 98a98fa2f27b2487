"""Packets that the kernel's firewall logs: iptables, nftables, ufw; by syslog or dmesg."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.batches import LineBatch
from mlids.layouts import netfilter
from mlids.layouts.json_records import sample
from mlids.layouts.syslog import SyslogLayout
from mlids.lines import chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

CERTAINTY = 0.98


class Kernel(SyslogLayout):
    """Columns: those of syslog, and src. The time since the start that dmesg tells is no time."""

    def sniff(self, chunk: bytes) -> float:
        """The share of lines that are packets of the kernel's."""
        lines = sample(chunk)
        known = sum(netfilter.packet(line) is not None for line in lines)
        return CERTAINTY * known / len(lines) if lines else 0.0

    def recognised(self, batch: LineBatch) -> NDArray[np.bool_]:
        """Lines that hold a packet's source."""
        known = np.zeros(len(batch), dtype=np.bool_)
        known[chunks.rows_with(batch, netfilter.MARK)] = True
        return known

    def records(self, batch: LineBatch) -> Sequence[Mapping[str, Any]]:
        """The fields of each packet, by netfilter's names."""
        return [netfilter.record(batch.line(row)) for row in range(len(batch))]

    def parse(self, batch: LineBatch) -> dict[str, Any]:
        """The columns of these lines."""
        found = [netfilter.packet(batch.line(row)) for row in range(len(batch))]
        src = [packet.src.encode() if packet else None for packet in found]
        return {**super().parse(batch), "src": src}
