from __future__ import annotations

import msgspec
import pytest

from mlids.airspace.inventory import Inventory, Network, Seen, shape, unrelated
from mlids.capture.beacons import Security

OURS, OTHER = 0x3C5282000001, 0x021337000066
CORP = Network(ssid="Corp", bssids=["3c:52:82:00:00:01"], channels=[1, 6], security="wpa2")
GUEST = Network(ssid="Gäste", security="open")


def complaint(
    ssid: str, bssid: int, channel: int = 1, security: Security = Security.WPA2, *networks: Network
) -> str:  # fmt: skip
    inventory = Inventory(networks or [CORP, GUEST])
    known = inventory.named(ssid.encode())
    return inventory.complaint(known, Seen(bssid, channel, security))[0]


def test_whose_name_it_is() -> None:
    inventory = Inventory([CORP, GUEST])
    assert inventory.named(b"Corp") == ((0,), False)
    assert inventory.named("Gäste".encode()) == ((1,), False)
    assert inventory.named(b"CORP ") == ((0,), True)
    assert inventory.named("G\u00e4\u200bste".encode()) == ((1,), True)
    assert inventory.named(b"") == ((), True)
    assert inventory.named(b"\xff\xfe").networks == ()
    assert list(inventory.points) == [OURS]


@pytest.mark.parametrize(
    ("arguments", "technique"),
    [
        (("Corp", OURS), ""),
        (("Corp", OTHER), "evil-twin"),
        (("corp", OTHER), "evil-twin"),
        (("corp", OURS), ""),
        (("Corp", OURS, 11), "channel"),
        (("Corp", OURS, 0), ""),
        (("Corp", OURS, 1, Security.OPEN), "downgrade"),
        (("Corp", OURS, 1, Security.WPA3), ""),
        (("Gäste", OTHER, 1, Security.OPEN), ""),  # no access points named
        (("Elsewhere", OTHER), ""),
    ],
)
def test_complaints(arguments: tuple[str, int], technique: str) -> None:
    assert complaint(*arguments) == technique


def test_networks_of_one_name() -> None:
    second = Network(ssid="Corp", bssids=["02:13:37:00:00:66"])
    assert complaint("Corp", OTHER, 1, Security.WPA2, CORP, second) == ""
    assert complaint("Corp", 7, 1, Security.WPA2, CORP, second) == "evil-twin"


def test_settings_are_checked() -> None:
    for bad in (
        {"ssid": ""},
        {"ssid": "x", "bssids": ["zz"]},
        {"ssid": "x", "security": "none"},
        {},
    ):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(bad, Network)


def test_what_a_person_sees() -> None:
    assert shape(b"Free WiFi\0") == shape("\uff26REE\u3000\uff57ifi".encode()) == "freewifi"
    assert unrelated(["Home", "Home-5G", "HOME guest"]) == 1
    assert unrelated(["Home", "Airport", "Hotel"]) == 3
    assert unrelated([]) == 0
