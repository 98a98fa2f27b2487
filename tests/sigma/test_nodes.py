from mlids.sigma.folding import fold
from mlids.sigma.nodes import Ask, Empty, Every, Exists, Fate, Keyword, Not, Reference, Some
from mlids.sigma.predicates import Equal, Part


class Record:
    def __init__(self, line="", **fields):
        self.line = line
        self.fields = fields

    def values(self, field):
        return [self.fields[field]] if field in self.fields else []

    def texts(self, field):
        return [(one, fold(one)) for one in self.values(field) if one is not None]

    def keywords(self):
        return [(self.line, fold(self.line))]


class Shape:
    structured = False
    common = {}

    def __init__(self, *fields):
        self.fields = fields

    def provides(self, field):
        return field in self.fields

    def verbatim(self, field):
        return field != "made"


A, B = Ask("a", Equal(["one"])), Ask("b", Part(["two"], "contains"))


def test_trees_hold_as_they_are_written():
    record = Record(a="ONE", b="x")
    assert A.test(record)
    assert not B.test(record)
    assert Some([A, B]).test(record)
    assert not Every([A, B]).test(record)
    assert Every([A, Not(B)]).test(record)
    assert not Some([A, B], least=2).test(record)
    assert Some([A, B], least=2).test(Record(a="one", b="two"))


def test_what_is_not_there_is_empty_but_null_exists():
    assert Empty("a").test(Record())
    assert Empty("a").test(Record(a=None))
    assert not Empty("a").test(Record(a=""))
    assert Exists("a").test(Record(a=None))
    assert not Exists("a").test(Record())


def test_fields_are_held_against_each_other():
    assert Reference("a", "b").test(Record(a="X", b="x"))
    assert Reference("a", "b", "startswith").test(Record(a="xyz", b="x"))
    assert not Reference("a", "b", "endswith").test(Record(a="xyz", b="x"))
    assert not Reference("a", "b").test(Record(a="x"))


def test_keywords_are_searched_in_the_line():
    assert Keyword(Part(["Segfault"], "contains")).test(Record("x SEGFAULT y"))


def test_literals_come_from_the_best_branch_and_from_each_alternative():
    shape = Shape("a", "b", "made")
    assert Every([A, B]).literals(shape) in ({b"one"}, {b"two"})
    assert Some([A, B]).literals(shape) == {b"one", b"two"}
    assert Not(A).literals(shape) is None
    assert Every([Not(A), B]).literals(shape) == {b"two"}
    assert Ask("made", Equal(["value"])).literals(shape) is None


def test_alternatives_that_can_never_hold_need_no_literal():
    assert Some([A, B]).literals(Shape("a")) == {b"one"}


def test_what_can_never_hold_is_known():
    shape = Shape("a")
    assert Every([A, B]).fate(shape) is Fate.NEVER
    assert Some([A, B]).fate(shape) is Fate.OPEN
    assert Not(B).fate(shape) is Fate.ALWAYS
    assert Empty("b").fate(shape) is Fate.ALWAYS
    assert Exists("b").fate(shape) is Fate.NEVER
    assert Every([A, Not(Empty("b"))]).fate(shape) is Fate.NEVER
    assert Some([A, B], least=2).fate(shape) is Fate.NEVER
    assert Reference("a", "b").fate(shape) is Fate.NEVER


def test_a_match_says_by_which_fields():
    record = Record("the line", a="One", b="none")
    tree = Every([Some([A, B]), Keyword(Part(["line"], "contains"))])
    assert list(tree.matched(record)) == [("a", "One"), ("", "line")]
    assert set(tree.fields()) == {"a", "b"}
    assert len(list(tree.leaves())) == 3


def test_answers_are_remembered_and_right():
    many = Ask("a", Part(["one", "two", "three", "four"], "contains"))
    for _ in range(2):
        assert many.test(Record(a="x three"))
        assert not many.test(Record(a="x"))
    for number in range(5000):
        assert not many.test(Record(a=f"n{number}"))
