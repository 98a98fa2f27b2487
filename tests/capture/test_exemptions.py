from __future__ import annotations

import msgspec
import pytest

from mlids.capture.exemptions import Exempt
from mlids.capture.packets import words


def test_own_lists_and_those_of_all_are_put_together() -> None:
    lists = {
        "ignore_sources": ["192.0.2.1"],
        "ignore_targets": ["192.0.2.2"],
        "network_ignore_sources": ["192.0.2.3"],
        "network_ignore_targets": ["192.0.2.4"],
        "exclude_ips": ["198.51.100.0/24"],
    }
    exempt = msgspec.convert(lists, Exempt)
    for address, source, target in (
        ("192.0.2.1", True, False),
        ("192.0.2.2", False, True),
        ("192.0.2.3", True, False),
        ("192.0.2.4", False, True),
        ("198.51.100.7", True, True),
        ("192.0.2.5", False, False),
    ):
        assert exempt.sources().holds(*words(address)) is source
        assert exempt.targets().holds(*words(address)) is target


def test_nobody_by_default_and_nonsense_is_refused() -> None:
    assert not Exempt().sources()
    assert not Exempt().targets()
    with pytest.raises(ValueError, match="nonsense"):
        Exempt(ignore_sources=["nonsense"]).sources()
