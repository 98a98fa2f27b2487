from mlids.sigma import rules, sources
from mlids.sigma.binding import Shape, bound_all
from mlids.sigma.sources import Entry, Given, Service
from mlids.sigma.views import View

ENTRY = Entry(
    formats=["x"],
    products=["shop"],
    services={"pos": Service(["program"], ["till"]), "all": Service()},
    fields={"made": Given(value="constant"), "first": ["@stem", "a"]},
    known=["a", "b", "program"],
)


def bound(made, detection, entry=ENTRY, logsource="product: shop"):
    known = rules.parse(made.rule(detection, logsource))
    return bound_all([(known.rules[0], entry)])


def test_shapes_say_what_records_have():
    shape = Shape(ENTRY)
    assert shape.provides("a")
    assert not shape.provides("c")
    assert shape.verbatim("a")
    assert not shape.verbatim("made")
    assert not shape.verbatim("first")


def test_a_rule_that_cannot_match_is_not_bound(made):
    assert bound(made, "c: x") == []
    (one,) = bound(made, "a: value")
    assert one.literals == {b"value"}


def test_what_tells_a_service_is_looked_for_too(made):
    (one,) = bound(made, "a|re: '[xyz]'", logsource="product: shop\n  service: pos")
    assert one.gate is not None
    assert one.literals == {b"till"}
    (one,) = bound(made, "a|re: '[xyz]'", logsource="product: shop\n  service: all")
    assert one.gate is None
    assert one.literals is None


def test_answers_for_one_field_are_remembered_and_bounded(made):
    (one,) = bound(made, "a|contains: value")
    assert one.only == "a"
    for number in range(5000):
        view = View({"a": f"value{number}"}, one.reader, b"", "x")
        assert one.test(view)
        assert not one.test(View({"a": str(number)}, one.reader, b"", "x"))
    assert len(one.known) <= 2048
    assert bound(made, "a: x\nb: y")[0].only == ""


def test_what_many_rules_ask_for_is_no_good_mark(made):
    head = "title: {0}\nid: {0}\nlevel: low\n"
    text = "---\n".join(
        made.rule(f"a: common\nb: odd{n}", head=head.format(f"r{n}")) for n in range(20)
    )
    known = rules.parse(text).rules
    found = bound_all([(rule, ENTRY) for rule in known])
    assert all(one.literals == {b"odd%d" % n} for n, one in enumerate(found))
    assert sources.entries()
