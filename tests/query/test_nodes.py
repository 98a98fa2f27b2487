from mlids.query import parse
from mlids.testing import event


def test_possible_follows_types_and_severities():
    types, severities = ["XSS", "Port Scan"], ["LOW", "HIGH"]

    def possible(text):
        return parse(text).possible(types, severities)

    assert possible("type:xss") and possible("type:port*") and possible("severity>MEDIUM")
    assert not possible('type:"Failed Login"')
    assert not possible("severity:CRITICAL OR severity:MEDIUM")
    assert possible("type:none OR word") and not possible("type:none word")
    assert possible("NOT type:xss")


def test_any_event_can_be_asked():
    odd = {"severity": ["x"], "timestamp": 5, "details": None, "tags": {"a": 1}, "type": None}
    for text in (
        "severity:LOW",
        "timestamp:2025",
        "ip:10.0.0.0/8",
        "tags:a",
        "type:null",
        "port>1",
    ):
        assert parse(text).matches(odd) is (text == "type:null")


def test_not_is_the_opposite_also_where_nothing_stands():
    assert parse("user!=root").matches(event(details={}))
    assert not parse("user:*").matches(event(details={}))


def test_the_condition_tells_whether_it_is_exact():
    exact = 'type:x ip:10.0.0.0/8 (severity>LOW OR -user:a*) timestamp:2025 tags:"b" confidence>0.5'
    assert parse(exact).sql().exact
    for text in ("word", "port:22", "NOT word", "type:x OR word", "id:5"):
        assert not parse(text).sql().exact
