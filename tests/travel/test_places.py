from __future__ import annotations

import os

import pytest

from mlids.errors import MLIDSError
from mlids.travel import places
from mlids.travel.places import Place, Table, apart_km, distance_km, place
from tests.travel import tables

BERLIN, PARIS = Place(52.52, 13.40, 20), Place(48.85, 2.35, 30)


def table(tmp_path, networks=None, version=6, **options) -> Table:
    known = networks or {
        "198.51.100.0/24": tables.spot("berlin"),
        "203.0.113.128/25": tables.spot("tokyo"),
        "2001:db8:5::/48": tables.spot("lima"),
    }
    return Table(tables.write(tmp_path / "t.mmdb", known, version), **options)


def test_distances():
    assert distance_km(BERLIN, PARIS) == pytest.approx(877, abs=3)
    assert distance_km(Place(0, 0, 0), Place(0, 180, 0)) == pytest.approx(20_015, abs=1)
    assert distance_km(Place(90, 10, 0), Place(90, -120, 0)) == pytest.approx(0, abs=1e-6)
    assert distance_km(Place(0, 179.9, 0), Place(0, -179.9, 0)) == pytest.approx(22.2, abs=0.1)
    assert apart_km(BERLIN, PARIS) == pytest.approx(827, abs=3)
    assert apart_km(BERLIN, BERLIN) == 0


@pytest.mark.parametrize("version", [4, 6])
def test_addresses_are_looked_up(tmp_path, version):
    known = {"198.51.100.0/24": tables.spot("berlin"), "203.0.113.128/25": tables.spot("tokyo")}
    found = table(tmp_path, known, version)
    assert found.place("198.51.100.77") == Place(52.52, 13.40, 20, "Berlin", "Germany")
    assert found.place("203.0.113.200").title == "Tokyo, Japan"
    assert found.place("203.0.113.100") is None
    assert found.place("2001:db8:5::1") is None  # also where the table knows only IPv4
    assert found.place("host.example") is None


def test_ipv6(tmp_path):
    found = table(tmp_path)
    assert found.place("2001:db8:5:1::9").city == "Lima"
    assert found.place("2001:db8:6::9") is None


def test_vpns_and_private_addresses_have_no_place(tmp_path):
    known = {
        "198.51.100.0/24": tables.spot("berlin"),
        "10.0.0.0/8": tables.spot("tokyo"),
        "2001:db8:5::/48": tables.spot("lima"),
    }
    found = table(tmp_path, known, elsewhere=["198.51.100.64/26", "2001:db8:5:7::/64"])
    assert found.place("198.51.100.63") is not None
    assert found.place("198.51.100.64") is None
    assert found.place("10.1.2.3") is None
    assert found.place("2001:db8:5:7::1") is None
    assert found.place("2001:db8:5:8::1") is not None
    with pytest.raises(ValueError, match="nonsense"):
        table(tmp_path, elsewhere=["nonsense"])


def test_radius_where_the_table_names_none():
    assert place(tables.record(1, 2, None, "Town", "Land")).accuracy_km == places.ACCURACY_KM
    assert place(tables.record(1, 2)).accuracy_km == places.ACCURACY_KM
    assert place(tables.record(1, 2, None, "", "Land")).accuracy_km == places.COUNTRY_KM
    assert place(tables.record(1, 2, 5)).accuracy_km == 5
    assert place(tables.record(1, 2)).title == "1.00, 2.00"


def test_names():
    assert place({**tables.record(1, 2), "city": {"names": {"fr": "Ville"}}}).city == "Ville"
    assert place({**tables.record(1, 2), "country": {"iso_code": "PE"}}).country == "PE"
    assert place({**tables.record(1, 2), "city": {"names": {"en": 7}}}).city == ""
    assert place({**tables.record(1, 2), "city": "Town"}).city == ""
    assert len(place(tables.record(1, 2, 5, "x" * 250)).city) == places.NAME


@pytest.mark.parametrize(
    "record",
    [
        None,
        "text",
        [],
        {},
        {"location": "here"},
        {"location": {"latitude": 1.0}},
        {"location": {"latitude": "1", "longitude": 2.0}},
        {"location": {"latitude": True, "longitude": 2.0}},
        {"location": {"latitude": 91.0, "longitude": 2.0}},
        {"location": {"latitude": float("nan"), "longitude": 2.0}},
        {"location": {"latitude": 1.0, "longitude": float("inf")}},
        {**tables.record(1, 2, 3), "traits": {"is_anycast": True}},
        {**tables.record(1, 2, 3), "traits": {"is_satellite_provider": True}},
    ],
)
def test_records_without_a_place(record):
    assert place(record) is None


def test_odd_radii():
    for odd in (float("nan"), -4, "9", True):
        made = {"location": {"latitude": 1.0, "longitude": 2.0, "accuracy_radius": odd}}
        assert place(made).accuracy_km == places.ACCURACY_KM


def failure(path) -> str:
    with pytest.raises(MLIDSError) as caught:
        Table(str(path))
    assert str(path) in caught.value.message
    return caught.value.code


def test_tables_that_cannot_be_used(tmp_path):
    assert failure(tmp_path / "missing.mmdb") == "E007"
    assert failure(tmp_path) == "E002"
    for name, raw in (("empty", b""), ("text", b"no table"), ("mark", tables.MARKER * 3)):
        (tmp_path / name).write_bytes(raw)
        assert failure(tmp_path / name) == "E002"
    whole = (
        tmp_path / tables.write(tmp_path / "w", {"1.0.0.0/8": tables.spot("lima")})
    ).read_bytes()
    for size in range(0, len(whole), 7):
        (tmp_path / "cut").write_bytes(whole[:size])
        assert failure(tmp_path / "cut") == "E002"
    no_places = tables.write(tmp_path / "asn", {"1.0.0.0/8": {"autonomous_system_number": 64500}})
    assert failure(no_places) == "E002"
    (tmp_path / "secret").write_bytes(whole)
    (tmp_path / "secret").chmod(0)
    if os.geteuid():
        assert failure(tmp_path / "secret") == "E004"


def test_bytes_that_are_wrong_never_raise_later(tmp_path):
    networks = {f"{n}.0.0.0/8": tables.record(n % 90, n, n, f"Town {n}") for n in range(1, 100)}
    path = tmp_path / "t.mmdb"
    whole = bytearray((tmp_path / tables.write(path, networks)).read_bytes())
    for at in range(0, len(whole) - 300, 97):
        damaged = bytearray(whole)
        damaged[at : at + 2] = b"\xff\x1f"
        path.write_bytes(damaged)
        try:
            found = Table(str(path))
        except MLIDSError:
            continue
        for n in range(1, 100, 9):
            found.place(f"{n}.1.2.3")


def test_a_table_that_is_overwritten_with_a_shorter_one_harms_nothing(tmp_path):
    found = table(tmp_path)
    with open(tmp_path / "t.mmdb", "r+b") as file:
        file.truncate(40)
    assert found.place("198.51.100.1") is None


def test_what_is_missing_is_e005(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "maxminddb", None)
    with pytest.raises(MLIDSError) as caught:
        Table(str(tmp_path / "t.mmdb"))
    assert (caught.value.code, caught.value.hint) == ("E005", "pip install maxminddb")
