from __future__ import annotations

from pathlib import Path

import pytest

from mlids.config import ConfigManager
from mlids.config.networks import doubts, problems, strangers


def loaded(folder: Path, text: str) -> ConfigManager:
    path = folder / "config.yaml"
    path.write_text(text)
    return ConfigManager(path, environment={})


def test_what_is_no_network_is_a_mistake_with_its_line(tmp_path: Path) -> None:
    text = (
        "network:\n"
        "  home_networks: [10.0.0.0/33, 192.168.0.0/16]\n"
        "  exclude_ips: [printer]\n"
        "detectors:\n"
        "  port_scan:\n"
        "    ignore_sources: ['300.1.1.1', '2001:db8::/129', 10.0.0.1]\n"
    )
    found = loaded(tmp_path, text).problems
    assert len(found) == 4
    assert found[0].startswith("line 2: network.home_networks: '10.0.0.0/33' is neither")
    assert found[1].startswith("line 3: network.exclude_ips: 'printer'")
    assert all(one.startswith("line 6: detectors.port_scan.ignore_sources") for one in found[2:])


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("network: {home_networks: []}", "every address counts as outside"),
        ("network: {home_networks: [0.0.0.0/0]}", "nothing counts as outside"),
        ("network: {exclude_ips: ['::/0']}", "nothing is looked at"),
        ("network: {home_networks: [10.1.2.3/8]}", "is read as 10.0.0.0/8"),
        ("network: {home_networks: ['2001:db8::5/32']}", "is read as 2001:db8::/32"),
    ],
)
def test_what_can_hardly_be_meant_is_told(tmp_path: Path, text: str, word: str) -> None:
    manager = loaded(tmp_path, text)
    assert manager.problems == []
    (warning,) = manager.warnings
    assert word in warning


@pytest.mark.parametrize(
    "network", ["10.0.0.0/8", "10.1.2.3", "2001:DB8::/32", "10.0.0.0/255.0.0.0", "::1"]
)
def test_ordinary_ones_are_believed(tmp_path: Path, network: str) -> None:
    manager = loaded(tmp_path, f"network: {{home_networks: ['{network}']}}")
    assert manager.problems == manager.warnings == []


def test_defaults_and_other_types_are_no_matter_of_this_check() -> None:
    assert problems({}, lambda path: None) == doubts({}) == []
    odd = {"network": {"home_networks": "10.0.0.0/8", "exclude_ips": [5]}, "x": {"y": 1}}
    assert problems(odd, lambda path: None) == []


def test_own_addresses_that_are_not_at_home() -> None:
    own = ["10.0.0.5", "203.0.113.5", "2001:db8::5"]
    assert strangers(["10.0.0.0/8"], own) == ["203.0.113.5", "2001:db8::5"]
    assert strangers(["0.0.0.0/0", "::/0"], own) == []
