import msgspec

from mlids.sigma.limits import Limits

NS = 10**9


def test_so_many_a_minute_and_the_rest_is_counted():
    limits = Limits(2)
    assert [limits.take("r", second * NS) for second in (0, 1, 2, 3, 59)] == [
        0,
        0,
        None,
        None,
        None,
    ]
    assert limits.take("r", 60 * NS) == 3  # the minute slides: the first has left it
    assert limits.take("r", 60 * NS) is None
    assert limits.take("other", 60 * NS) == 0


def test_what_was_held_back_is_told_when_a_minute_has_passed_or_at_the_end():
    limits = Limits(1)
    for second in range(4):
        if limits.take("r", second * NS) is None:
            limits.keep("r", {"n": second})
    assert list(limits.close(62 * NS)) == []
    assert list(limits.close(63 * NS)) == [({"n": 3}, 2)]
    assert list(limits.close(99 * NS)) == []
    limits.take("r", 63 * NS)
    limits.take("r", 64 * NS)
    limits.keep("r", {"n": 64})
    assert list(limits.close()) == [({"n": 64}, 0)]


def test_counts_survive_a_restart():
    limits = Limits(1)
    limits.take("r", 0)
    limits.take("r", 1)
    limits.keep("r", {"n": 1})
    again = Limits(1)
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(limits.save())))
    assert again.take("r", 2) is None
    assert again.take("r", 70 * NS) == 2
