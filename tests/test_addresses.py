from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from mlids import addresses


def test_one_spelling_each():
    assert addresses.normalise("::ffff:1.2.3.4") == "1.2.3.4"
    assert addresses.normalise("2001:DB8:0::5") == "2001:db8::5"
    assert addresses.normalise("fe80::1%eth0") == "fe80::1"
    assert addresses.normalise("[2001:db8::5]") == "2001:db8::5"


def test_what_is_no_address_is_empty():
    for text in ("", "host.example", "1.2.3", "1.2.3.4.5", "1.2.3.400", "8.8.8.8.evil.example"):
        assert addresses.normalise(text) == ""


def test_ipv4_counts_by_itself_and_ipv6_by_prefixes():
    assert addresses.keys("1.2.3.4") == ("1.2.3.4",)
    assert addresses.keys("host.example") == ("host.example",)
    assert addresses.keys("2001:db8:1:2ff:3::4") == (
        "2001:db8:1:2ff::/64",
        "2001:db8:1:200::/56",
        "2001:db8:1::/48",
    )


@given(st.integers(min_value=0, max_value=2**128 - 1))
def test_prefixes_are_those_of_the_standard_library(number):
    address = ipaddress.IPv6Address(number)
    expected = tuple(
        str(ipaddress.IPv6Network((number, bits), strict=False)) for bits in (64, 56, 48)
    )
    assert addresses.keys(str(address)) == expected


@given(st.text(max_size=60))
def test_any_text_is_taken(text):
    assert isinstance(addresses.normalise(text), str)
    assert addresses.keys(text)


def test_long_texts_are_no_addresses_and_are_not_remembered():
    assert addresses.normalise("1.2.3.4" + "0" * 60_000) == ""
    assert addresses.keys(":" * 60_000) == (":" * 60_000,)
    assert addresses.normalise("fe80::1%" + "e" * 60) == "fe80::1"
