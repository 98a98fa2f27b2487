from __future__ import annotations

from pathlib import Path

import pytest

from mlids.capture import interfaces

pytestmark = pytest.mark.skipif(not Path("/proc/net").exists(), reason="needs Linux")

ROUTES = """Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
eth0 00000000 0101A8C0 0003 0 0 100 00000000 0 0 0
eth0 0001A8C0 00000000 0001 0 0 100 00FFFFFF 0 0 0
tun0 00000000 00000000 0000 0 0 0 00000000 0 0 0
"""
NOBODY = "0" * 32
ROUTES6 = f"""{NOBODY} 00 {NOBODY} 00 {NOBODY} 00000400 00000001 00000000 00000003 wlan0
{NOBODY} 00 {NOBODY} 00 {NOBODY} ffffffff 00000001 00000000 00200200 lo
20010db8{"0" * 24} 40 {NOBODY} 00 {NOBODY} 00000100 00000001 00000000 00000001 eth0
"""


def test_loopback_is_there() -> None:
    assert "lo" in interfaces.names()
    assert interfaces.index("lo") > 0
    assert interfaces.flags("lo") & interfaces.LOOPBACK
    assert interfaces.has_ethernet_headers("lo")


@pytest.mark.parametrize("name", ["nosuch0", "x" * 200, "ä"])
def test_what_is_no_interface(name: str) -> None:
    assert interfaces.index(name) == 0
    assert interfaces.flags(name) == 0
    assert not interfaces.has_ethernet_headers(name)


def test_default_routes_of_both_families(tmp_path: Path) -> None:
    assert interfaces._default_routes(tmp_path) == []
    (tmp_path / "route").write_text(ROUTES)
    assert interfaces._default_routes(tmp_path) == ["eth0"]  # that of tun0 is not up
    (tmp_path / "ipv6_route").write_text(ROUTES6)
    assert interfaces._default_routes(tmp_path) == ["eth0", "wlan0"]


@pytest.mark.parametrize(
    ("routed", "flags", "chosen"),
    [
        (["b", "gone", "b"], {"lo": 9, "a": 1, "b": 1}, ["b"]),
        ([], {"lo": 9, "a": 1, "b": 0, "c": 1}, ["a", "c"]),
        ([], {"lo": 9, "a": 0}, ["lo"]),
    ],
)
def test_which_are_chosen(
    monkeypatch: pytest.MonkeyPatch, routed: list[str], flags: dict[str, int], chosen: list[str]
) -> None:
    monkeypatch.setattr(interfaces, "_default_routes", lambda: routed)
    monkeypatch.setattr(interfaces, "names", lambda: list(flags))
    monkeypatch.setattr(interfaces, "flags", lambda name: flags[name])
    assert interfaces.automatic() == chosen
