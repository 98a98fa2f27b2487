"""What is told of signs in the air."""

from __future__ import annotations

from typing import Any, NamedTuple

from mlids.airspace.behaviours import Frame
from mlids.episodes import Account

FLOODS = ("beacon-flood", "deauth-flood")


class Sign(NamedTuple):
    """One thing that was seen of an access point."""

    technique: str
    reason: str
    bssid: str
    ssid: str
    high: bool  # it concerns a network of ours
    against: str  # the threshold and window in words, "" where there is none
    frames: list[Frame]  # the deciding one first
    metadata: dict[str, Any]


def account(sign: Sign, captures: list[str]) -> Account:
    """The account of one sign; captures: their names by number."""
    low = "MEDIUM" if sign.technique == "channel" else "LOW"
    named = f" ({sign.ssid})" if sign.ssid else ""
    return Account(
        "Rogue AP",
        "HIGH" if sign.high else low,
        f"rogue_ap/{sign.technique}",
        {
            "target": sign.ssid or sign.bssid,
            "protocol": "802.11",
            "bssid": sign.bssid,
            "ssid": sign.ssid,
            "description": f"{sign.bssid}{named}: {sign.reason}",
            "metadata": {"technique": sign.technique, **sign.metadata},
        },
        f"{sign.reason}; threshold {sign.against or 'what the inventory says'}",
        [{"source": captures[f.capture], "frame": f.frame} for f in sign.frames],
        ["T1498"] if sign.technique in FLOODS else ["T1557.004"],
        ["wireless", sign.technique],
        0.9 if sign.high else 0.6,
    )
