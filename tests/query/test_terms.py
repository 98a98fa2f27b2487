import pytest

from mlids.query.fields import find
from mlids.query.patterns import Pattern
from mlids.query.terms import term
from mlids.testing import event

EVENT = event(
    severity="HIGH",
    details={"ip": "10.1.2.3", "target": "2001:db8::7", "port": 22, "user": "22"},
    tags=["a"],
)


def met(name, operator, text):
    return term(find(name), operator, Pattern.literally(text), text, None).matches(EVENT)


@pytest.mark.parametrize(
    ("name", "operator", "text", "expected"),
    [
        ("severity", "=", "high", True),
        ("severity", ">=", "MIDDLE", True),
        ("severity", ">", "HIGH", False),
        ("severity", "<", "CRITICAL", True),
        ("severity", "!=", "LOW", True),
        ("ip", "=", "10.1.2.3", True),
        ("ip", "=", "10.1.2.99/24", True),
        ("ip", "!=", "10.0.0.0/8", False),
        ("ip", "=", "::ffff:10.1.2.3", True),
        ("target", "=", "2001:DB8:0::/32", True),
        ("target", "=", "2001:db8:0:0::7", True),
        ("port", "=", "22.0", True),
        ("port", ">", "21.5", True),
        ("port", "<=", "21", False),
        ("user", "=", "22", True),
        ("user", "=", "22.0", False),  # a text is no number
        ("user", ">", "1", False),
        ("tags", "=", "A", True),
        ("timestamp", "=", "2025-01-13", True),
        ("timestamp", ">", "2025-01-13", False),
        ("timestamp", "<=", "2025-01-13T10:30", True),
        ("timestamp", "<", "2025-01-13T10:30:45", False),
        ("timestamp", "!=", "2025-01-13T10", False),
    ],
)
def test_comparisons(name, operator, text, expected):
    assert met(name, operator, text) is expected


@pytest.mark.parametrize(
    ("name", "operator", "text", "said"),
    [
        ("severity", "=", "FATAL", "one of LOW"),
        ("ip", "=", "10.0.0.0/33", "a network is expected"),
        ("ip", ">", "10", "a number is expected"),
        ("user", ">", "x", "a number is expected"),
        ("timestamp", "=", "soon", "a time is expected"),
        ("timestamp", ">", "now-2h", "a time is expected"),  # nobody said what time it is
    ],
)
def test_what_is_expected(name, operator, text, said):
    with pytest.raises(ValueError, match=said):
        met(name, operator, text)
