from __future__ import annotations

import pytest

from mlids.airspace.behaviours import Frame
from mlids.airspace.events import Sign, account


def sign(technique: str, high: bool, ssid: str = "Corp", against: str = "") -> Sign:
    frames = [Frame(5, 1, 9), Frame(4, 0, 3)]
    return Sign(
        technique, "it is odd", "02:13:37:00:00:66", ssid, high, against, frames, {"channel": 6}
    )


@pytest.mark.parametrize(
    ("technique", "high", "severity", "attack"),
    [
        ("evil-twin", True, "HIGH", "T1557.004"),
        ("channel", False, "MEDIUM", "T1557.004"),
        ("karma", False, "LOW", "T1557.004"),
        ("deauth-flood", True, "HIGH", "T1498"),
        ("beacon-flood", False, "LOW", "T1498"),
    ],
)
def test_severity_and_technique(technique: str, high: bool, severity: str, attack: str) -> None:
    told = account(sign(technique, high), ["a", "b"])
    assert (told.type, told.severity) == ("Rogue AP", severity)
    assert told.rule == f"rogue_ap/{technique}"
    assert told.techniques == [attack]
    assert told.details["metadata"] == {"technique": technique, "channel": 6}
    assert told.evidence == [{"source": "b", "frame": 9}, {"source": "a", "frame": 3}]


def test_whom_it_concerns() -> None:
    told = account(sign("evil-twin", True), ["a", "b"])
    assert told.details["target"] == "Corp"
    assert "what the inventory says" in told.explanation
    nameless = account(sign("deauth-flood", True, "", "10 in 1 s"), ["a", "b"])
    assert nameless.details["target"] == "02:13:37:00:00:66"
    assert "threshold 10 in 1 s" in nameless.explanation
    assert "ip" not in nameless.details  # an address of the radio is none of the network
