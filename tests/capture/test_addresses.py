from __future__ import annotations

import ipaddress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.capture.addresses import HOME, Networks, address, is_group, words

SOME = ["10.1.2.3", "172.32.0.1", "192.0.2.1", "127.0.0.1", "2001:db8::1", "fe80::1", "fd00::9"]


def columns(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    pairs = [words(text) for text in texts]
    return tuple(np.array(column, np.uint64) for column in zip(*pairs, strict=True))  # type: ignore[return-value]


@pytest.mark.parametrize("text", ["192.0.2.1", "2001:db8::1", "::", "::1", "255.255.255.255"])
def test_addresses_there_and_back(text: str) -> None:
    assert address(*words(text)) == text


def test_mapped_address_is_its_ipv4() -> None:
    assert words("::ffff:192.0.2.1") == words("192.0.2.1")
    assert address(*words("::ffff:192.0.2.1")) == "192.0.2.1"


@given(st.ip_addresses())
def test_any_address_is_in_the_networks_that_ipaddress_says(one: object) -> None:
    text = str(one)
    mapped = ipaddress.ip_address(text)
    inside = any(
        mapped in ipaddress.ip_network(home)
        for home in HOME
        if ipaddress.ip_network(home).version == mapped.version
    )
    hi, lo = words(text)
    if hi or lo >> 32 != 0xFFFF or mapped.version == 4:  # a mapped one counts as its IPv4
        assert Networks(HOME).holds(hi, lo) == inside


def test_many_at_once_as_one_by_one() -> None:
    networks = Networks(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::1/128"])
    hi, lo = columns(SOME)
    one_by_one = [networks.holds(*words(text)) for text in SOME]
    assert networks.among(hi, lo).tolist() == one_by_one
    assert one_by_one == [True, False, True, False, True, False, False]


def test_no_networks_hold_nothing() -> None:
    hi, lo = columns(SOME)
    assert not Networks([])
    assert not Networks([]).among(hi, lo).any()
    with pytest.raises(ValueError, match="nonsense"):
        Networks(["nonsense"])


def test_groups() -> None:
    texts = ["224.0.0.1", "239.255.255.250", "255.255.255.255", "ff02::1", "240.0.0.1", "::e000:1"]
    assert is_group(*columns(texts)).tolist() == [True, True, True, True, False, False]
