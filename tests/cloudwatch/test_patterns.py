import pytest

from mlids.cloudwatch.patterns import StreamPatterns

LAMBDA = "2025/01/13/[$LATEST]0123abcd"


@pytest.mark.parametrize(
    ("patterns", "name", "is_meant"),
    [
        ((), "anything", True),
        (("web",), "web", True),
        (("web",), "web/1", False),
        (("web/*",), "web/1/2", True),
        (("web/*", "db"), "db", True),
        (("web/?",), "web/12", False),
        (("web/[ab]",), "web/a", True),
        (("web/[ab]",), "web/c", False),
        (("web/[ab]",), "web/[ab]", True),  # a name is a name
        (("WEB",), "web", False),
        ((LAMBDA,), LAMBDA, True),
        (("2025/01/13/[$LATEST]*",), LAMBDA, True),
        (("2025/01/13/[$LATEST]*",), "2025/01/13/L0123abcd", False),
        (("*",), "a\nb", True),
    ],
)
def test_which_are_meant(patterns, name, is_meant):
    assert StreamPatterns(patterns).matches(name) is is_meant


def test_one_plain_name_can_be_asked_for():
    assert StreamPatterns(["web/1"]).only == "web/1"
    assert StreamPatterns([LAMBDA]).only == LAMBDA
    assert StreamPatterns(["web/1", "web/1"]).only == "web/1"
    for patterns in ([], ["web/*"], ["web/[ab]"], ["a", "b"]):
        assert StreamPatterns(patterns).only is None
