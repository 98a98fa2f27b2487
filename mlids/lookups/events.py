"""What is told of names that carry data."""

from __future__ import annotations

from mlids.batches import PacketBatch
from mlids.capture import dns
from mlids.capture.addresses import address
from mlids.episodes import Account
from mlids.lookups.watch import Finding


def account(
    f: Finding,
    batch: PacketBatch,
    asked: dns.Questions,
    place: int,
    client: str,
    captures: list[str],
    window_s: float,
) -> Account:
    """The account of one finding; place: the question that decided; captures: names by number."""
    row = int(asked.row[place])
    domain, window = asked.domain(batch, place), f"{window_s:g} s"
    observed = (
        f"{f.names} distinct names below {domain}, {f.size:.0f} letters each,"
        f" {f.label:.0f} in the longest label, {f.odd:.0%} by TXT, NULL and the like"
    )
    return Account(
        "DNS Tunneling",
        "HIGH",
        f"dns_tunnel/{f.technique}",
        {
            "ip": client,
            "target": address(int(batch.dst_hi[row]), int(batch.dst_lo[row])),
            "port": int(batch.dport[row]),
            "protocol": "UDP" if batch.protocol[row] == dns.UDP else "TCP",
            "domain": domain,
            "description": f"{client} sends data through {domain}: {observed}",
            "metadata": {
                "technique": f.technique,
                "domain": domain,
                "names": f.names,
                "bytes": f.bytes,
                "mean_label": round(f.label, 1),
                "mean_name": round(f.size, 1),
                "odd_share": round(f.odd, 3),
                "refused": f.refused,
                "example": asked.name(batch, place),
                "window_s": window_s,
            },
        },
        f"{observed}, {f.bytes} bytes within {window}; threshold {f.against} in {window}",
        [{"source": captures[capture], "frame": frame} for capture, frame in f.places],
        ["T1071.004", "T1048"],
        ["exfiltration", f.technique],
        0.9,
    )
