import ipaddress

import pytest

from mlids.sigma import predicates
from mlids.sigma.folding import fold
from mlids.sigma.predicates import Compared, Equal, Glob, Matching, Network, Part, TimePart


def holds(predicate, text):
    return predicate.holds((text, fold(text)))


def test_equal_ignores_case_unless_told_otherwise():
    assert holds(Equal(["Curl"]), "cURL")
    assert not holds(Equal(["Curl"], cased=True), "curl")
    assert holds(Equal([""]), "")
    assert not holds(Equal([""]), " ")


def test_parts():
    assert holds(Part(["b", "zz"], "contains"), "aBc")
    assert holds(Part(["/TMP/"], "startswith"), "/tmp/x")
    assert holds(Part([".sh"], "endswith"), "/tmp/x.SH")
    assert not holds(Part([".sh"], "endswith"), "/tmp/x.sh ")


def test_wildcards():
    glob = Glob(["a", ("*",), "b", ("?",), "c"])
    assert holds(glob, "a\nB.c")
    assert not holds(glob, "abc")
    assert not holds(glob, "xab.c")
    assert holds(Glob(["b", ("?",), "d"], search=True), "abcde")
    assert glob.literals(structured=False) is None
    assert Glob(["long", ("*",), "longer"]).literals(structured=False) == {b"longer"}


def test_expressions_are_cased_and_give_what_they_must_hold():
    assert not holds(Matching("ABC"), "abc")
    assert Matching("ABC[0-9]").literals(structured=False) == {b"abc"}
    assert Matching("(?:a|b)").literals(structured=False) is None


@pytest.mark.parametrize(
    ("comparison", "number", "text", "right"),
    [
        ("lt", 5, "4.9", True),
        ("lte", 5, "5", True),
        ("gt", 5, "5", False),
        ("gte", 5, "5", True),
        ("gt", 5, "five", False),
    ],
)
def test_numbers_are_compared(comparison, number, text, right):
    assert holds(Compared(comparison, number), text) is right


def test_parts_of_times():
    stamp = "2025-01-13T22:30:45+02:00"
    parts = {"minute": 30, "hour": 22, "day": 13, "week": 3, "month": 1, "year": 2025}
    for part, number in parts.items():
        assert holds(TimePart(part, number), stamp), part
    assert holds(TimePart("hour", 10), "1736764245")
    assert holds(TimePart("hour", 10), "1736764245123")
    assert holds(Compared("gte", 22, "hour"), stamp)
    for junk in ("", "nan", "inf", "-", "yesterday", "9" * 400):
        assert not holds(TimePart("hour", 10), junk)


def test_networks():
    network = Network(ipaddress.ip_network("10.0.0.0/8"))
    assert holds(network, "10.1.2.3")
    assert holds(network, "::ffff:10.1.2.3")
    assert not holds(network, "11.1.2.3")
    assert not holds(network, "2001:db8::1")
    assert not holds(network, "10.1.2.3.4")


def test_any_of_several_needs_the_literals_of_all():
    curl, wget = frozenset((b"curl",)), frozenset((b"wget",))
    assert predicates.either([curl, wget]) == {b"curl", b"wget"}
    assert predicates.either([curl, None]) is None


def test_the_rarest_literals_are_looked_for():
    common = {b"execve": 60}
    chosen = predicates.both([frozenset((b"execve",)), frozenset((b"rare",)), None], common)
    assert chosen == {b"rare"}
    assert predicates.both([None], common) is None


def test_long_texts_are_no_times():
    assert predicates.time_part("1" * 60_000, "year") is None
