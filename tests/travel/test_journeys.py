from __future__ import annotations

import math

import msgspec
import pytest

from mlids.travel.journeys import FORGOTTEN_NS, MARKED, Journeys, Spot, Visit
from mlids.travel.places import Place

NS, HOUR = 10**9, 3600
START = 1_736_764_245 * NS
BERLIN = Place(52.52, 13.40, 20, "Berlin", "Germany")
POTSDAM = Place(52.40, 13.06, 20, "Potsdam", "Germany")
TOKYO = Place(35.68, 139.69, 50, "Tokyo", "Japan")
LIMA = Place(-12.05, -77.05, 20)


def visit(seconds: float, place: Place, address: str = "192.0.2.7", line: int = 1) -> Visit:
    return Visit(START + int(seconds * NS), address, place, Spot("auth.log", line, 0))


def journeys(speed: float = 900, distance: float = 500, users: int = 100) -> Journeys:
    return Journeys(speed, distance, users)


def test_faster_than_anybody():
    known = journeys()
    assert known.arrive("eve", visit(0, BERLIN)) is None
    found = known.arrive("eve", visit(HOUR, TOKYO, line=2))
    assert found.distance_km == pytest.approx(8920, abs=20)
    assert found.apart_km == pytest.approx(found.distance_km - 70)
    assert found.speed_kmh == pytest.approx(found.apart_km)
    assert (found.before.place.city, found.after.place.city) == ("Berlin", "Tokyo")
    assert found.places == ("35.68,139.69", "52.52,13.40")


def test_other_users_are_others():
    known = journeys()
    known.arrive("eve", visit(0, BERLIN))
    assert known.arrive("bob", visit(1, TOKYO)) is None
    assert known.arrive("Eve", visit(1, TOKYO)) is None
    known.arrive("eve@Host.example", visit(0, BERLIN))
    assert known.arrive("EVE@host.example", visit(60, TOKYO)) is not None


def test_the_edge_of_the_speed():
    east = Place(0, 20, 0)  # 2223.9 km on the equator
    for hours, told in ((2223.91 / 900, False), (2223.89 / 900, True)):
        known = journeys()
        known.arrive("eve", visit(0, Place(0, 0, 0)))
        assert bool(known.arrive("eve", visit(hours * HOUR, east))) is told


def test_the_edge_of_the_distance_beyond_the_accuracy():
    near, far = Place(0, 5.5, 56), Place(0, 5.5, 55)  # 611.6 km
    for place, told in ((near, False), (far, True)):
        known = journeys()
        known.arrive("eve", visit(0, Place(0, 0, 56)))
        assert bool(known.arrive("eve", visit(60, place))) is told


def test_within_one_second_is_infinitely_fast():
    known = journeys()
    known.arrive("eve", visit(5, BERLIN))
    assert known.arrive("eve", visit(5, TOKYO)).speed_kmh == math.inf
    known.arrive("eve", visit(5.2, BERLIN))
    assert known.arrive("eve", visit(6.3, TOKYO)).speed_kmh < math.inf


def test_lines_out_of_order_are_told_in_order():
    known = journeys()
    known.arrive("eve", visit(600, BERLIN, line=1))
    found = known.arrive("eve", visit(0, TOKYO, line=2))
    assert (found.before.place, found.after.place, found.seconds) == (TOKYO, BERLIN, 600)
    assert known.arrive("eve", visit(601, BERLIN)) is None  # the last one is still the last


def test_unverifiable_logins_neither_count_nor_replace():
    known = journeys()
    known.arrive("eve", visit(0, BERLIN))
    for n in range(20):
        known.unverifiable("eve", START + n, f"192.0.2.{n}", Spot("a", n, n))
    assert known.arrive("eve", visit(3, POTSDAM)) is None
    for n in range(20):
        known.unverifiable("eve", START + 4 * NS, f"192.0.2.{n}", Spot("a", n, n))
    found = known.arrive("eve", visit(5, TOKYO))
    assert found.before.place == POTSDAM
    assert [one.address for one in found.between] == [f"192.0.2.{n}" for n in range(MARKED)]
    assert known.arrive("eve", visit(6, BERLIN)).between == ()


def test_the_towns_of_one_region_are_one_place():
    known, names = journeys(), set()
    for n, place in enumerate([BERLIN, TOKYO, POTSDAM, TOKYO, BERLIN, TOKYO]):
        found = known.arrive("eve", visit(n * 60, place))
        names |= {found.places} if found else set()
    assert len(names) == 1
    found = known.arrive("eve", visit(400, LIMA))
    assert found.places not in names


def test_many_places_of_one_user_are_bounded():
    known = journeys()
    for n in range(500):
        known.arrive("eve", visit(n * 60, Place(n % 80, (n * 37) % 180, 1)))
    (row,) = known.save()
    assert len(row[2]) <= 5


def test_users_are_bounded_and_evictions_counted():
    known = journeys()
    for n in range(1000):
        known.arrive(f"user{n}", visit(n, BERLIN))
    assert (len(known.save()), known.evicted) == (100, 900)
    known.arrive("late", visit(1000 + FORGOTTEN_NS / NS, TOKYO))
    assert (len(known.save()), known.evicted) == (1, 900)  # those were of no use any more


def test_a_user_who_comes_back_after_long_begins_anew():
    known = journeys()
    known.arrive("eve", visit(0, BERLIN))
    later = FORGOTTEN_NS / NS + 1
    assert known.arrive("eve", visit(later, TOKYO)) is None
    assert known.arrive("eve", visit(later + 60, BERLIN)) is not None


def test_state_survives():
    known = journeys()
    known.arrive("eve", visit(0, BERLIN))
    known.arrive("eve", visit(60, TOKYO))
    known.unverifiable("eve", START + 61 * NS, "192.0.2.9", Spot("a", 1, 2))
    known.unverifiable("bob", START, "192.0.2.9", Spot("a", 1, 2))
    again = journeys()
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(known.save())))
    assert again.save() == known.save()
    assert again.arrive("eve", visit(90, LIMA)) == known.arrive("eve", visit(90, LIMA))
