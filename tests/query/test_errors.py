from mlids.query import QueryError


def test_a_caret_stands_under_the_character():
    error = QueryError('type:"Failed', 5, "the quote is never closed")
    assert error.code == "E105"
    assert error.shown == ('type:"Failed', "     ^ the quote is never closed")
    assert str(error).splitlines()[1:] == ["    " + line for line in error.shown]


def test_of_a_long_query_the_place_is_shown():
    line, caret = QueryError("a" * 5000 + "!" + "b" * 4000, 5000, "x").shown
    assert line[caret.index("^")] == "!"
    assert len(line) < 100


def test_what_cannot_be_printed_takes_one_cell():
    line, caret = QueryError("a\x1b[31m\n(", 7, "x").shown
    assert line.isprintable()
    assert line[caret.index("^")] == "("
