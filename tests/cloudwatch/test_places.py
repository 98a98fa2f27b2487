from hypothesis import given
from hypothesis import strategies as st

from mlids.cloudwatch.places import DIGEST, Place, Reached, identity

T = 1_736_764_245_000


def known(number) -> bytes:
    return identity(("s", number))


def test_an_event_is_new_once():
    place = Place(T)
    assert place.is_new(T, known(1))
    assert not place.is_new(T, known(1))
    assert place.is_new(T, known(2))
    assert place.is_new(T + 5000, known(3))
    place.settle(T)
    assert not place.is_new(T + 5000, known(3))


def test_what_is_settled_is_not_remembered():
    place = Place(T)
    for n in range(10):
        place.is_new(T + n * 1000, known(n))
    place.settle(T + 7500)
    assert place.closed == T + 7500
    assert sorted(place.state().given) == [T // 1000 + n for n in (7, 8, 9)]
    place.settle(T)  # it never goes back
    assert place.closed == T + 7500


def test_the_state_goes_on_where_it_was():
    place = Place(T)
    for n in range(100):
        place.is_new(T + n * 300, known(n))
    place.settle(T + 6000)
    again = Place.restored(place.state())
    assert again.closed == T + 6000
    assert again.state() == place.state()
    assert [n for n in range(100) if again.is_new(T + n * 300, known(n))] == list(range(20))


def test_room_is_bounded_and_the_oldest_go_first():
    place = Place(T, most=100)
    for n in range(1000):
        assert place.is_new(T + n * 500, known(n))
    held = sum(map(len, place.state().given.values())) // DIGEST
    assert held <= 100
    assert place.evicted >= 900
    place.settle(T)  # what is not remembered is not asked for again, so that none comes twice
    assert place.closed > T + 850 * 500
    assert place.closed <= T + 1000 * 500
    remembered = [n for n in range(1000) if T + n * 500 >= place.closed]
    assert remembered and not any(place.is_new(T + n * 500, known(n)) for n in remembered)


def test_a_flood_within_one_millisecond_stays_bounded():
    place = Place(T, most=50)
    place.is_new(T - 5000, known("before"))
    assert all(place.is_new(T, known(n)) for n in range(500))
    assert not any(place.is_new(T, known(n)) for n in range(50))
    place.settle(T - 10_000)
    assert place.closed == T + 1
    assert place.evicted == 451


def test_identities_differ_by_every_part():
    found = {identity(parts) for parts in (("a", 1), ("a", 2), ("b", 1), ("a1",), ("a", "1", ""))}
    assert len(found) == 5
    assert len(identity(("\ud800", 1))) == DIGEST


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=40), max_size=8),
    st.integers(1, 20),
    st.integers(0, 10),
)
def test_looks_that_overlap_give_each_event_once(looks, most, overlap):
    """Whatever comes late, however little room there is: never twice, and all with room enough."""
    for room in (most, 10_000):
        place, there, seen, now = Place(0, most=room), set(), [], 0
        for number, arriving in enumerate(looks):
            now = (number + 1) * 10_000
            there |= {(1000 * second, value) for second, value in arriving}
            for time, value in sorted(there):
                if place.closed <= time < now and place.is_new(time, known((time, value))):
                    seen.append((time, value))
            place.settle(now - overlap * 10_000)
            place = Place.restored(place.state()) if room == 10_000 else place
        assert len(seen) == len(set(seen))
        if overlap == 10 and room == 10_000:
            assert set(seen) == {one for one in there if one[0] < now}


def test_an_empty_state():
    assert Place(5).state() == Reached(5)
    assert Place.restored(Reached(5)).closed == 5
