import pytest

from mlids.logins.guesses import HOUR, NS, Guesses, Try

HORIZONS = ((5, 600 * NS), (15, 6 * HOUR), (30, 24 * HOUR))


def nobody(mark):
    return False


def made(count, step_s=1, user="root", source="192.0.2.7", exists=True):
    return [
        Try(
            n * step_s * NS,
            user if isinstance(user, str) else user(n),
            exists,
            source,
            source,
            ("a", n, n),
        )
        for n in range(count)
    ]


def finding(tries, of="source"):
    guesses, found = Guesses(HORIZONS, 100), None
    for tried in tries:
        guesses.add(tried)
        found = getattr(guesses, f"{of}_finding")(tried, nobody)
    return found


def test_five_tries_in_ten_minutes_are_guessing_and_four_are_not():
    found = finding(made(5))
    assert (found.technique, found.observed, found.threshold) == ("guessing", 5, 5)
    assert finding(made(4)) is None


def test_slow_tries_are_found_on_the_longer_horizons():
    assert finding(made(14, 1200)) is None
    assert finding(made(15, 1200)).window_ns == 6 * HOUR
    assert finding(made(29, 2980)) is None
    assert finding(made(30, 2800)).window_ns == 24 * HOUR


def test_users_that_do_not_exist_are_enumeration():
    found = finding(made(5, user=lambda n: f"u{n}", exists=False))
    assert found.technique == "enumeration"


def test_many_users_with_few_tries_are_spraying():
    found = finding(made(16, user=lambda n: f"u{n % 8}", step_s=60))
    assert found.technique == "spraying"


@pytest.mark.parametrize(
    ("users", "real", "technique"),
    [(25, 25, "stuffing"), (24, 24, "spraying"), (25, 5, "stuffing"), (25, 4, "enumeration")],
)
def test_many_users_each_tried_once_are_stuffing(users, real, technique):
    tries = [
        one._replace(exists=None if n < real else False)
        for n, one in enumerate(made(users, user=lambda n: f"u{n}", step_s=60))
    ]
    assert finding(tries).technique == technique


def test_one_user_tried_twice_makes_it_no_stuffing():
    tries = made(26, user=lambda n: f"u{n % 25}", step_s=60)
    assert finding(tries).technique == "spraying"


def test_one_account_from_many_sources_is_distributed():
    tries = [
        one._replace(source=f"192.0.2.{n % 5}", address=f"192.0.2.{n % 5}")
        for n, one in enumerate(made(10, step_s=60))
    ]
    assert finding(tries, "account").technique == "distributed"


def test_keys_are_bounded():
    guesses = Guesses(HORIZONS, 10)
    for n, tried in enumerate(made(100)):
        address = f"192.0.2.{n}"
        guesses.add(tried._replace(source=address, address=address))
    assert len(guesses.sources.get("192.0.2.99")) == 1
    assert len(guesses.sources.get("192.0.2.0")) == 0
