import itertools
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids import exports
from mlids.encoders import terminal_safe
from mlids.events import TYPES
from mlids.testing import event
from tests.exports.examples import EXAMPLES, GIVEN, GOLDEN, exported, hostile


def test_each_file_of_the_package_is_a_format_with_ending_and_media_type():
    from pathlib import Path

    files = {path.stem for path in Path(exports.__file__).parent.glob("*.py")}
    assert set(exports.NAMES) == files - {"__init__", "facts"}
    assert set(exports.MEDIA_TYPES) == set(exports.NAMES)
    assert len(set(exports.ENDINGS.values())) == len(exports.NAMES)


def test_an_unknown_format_is_told():
    with pytest.raises(KeyError):
        exports.render("xml", [])


def test_there_is_an_example_of_every_type():
    assert set(GIVEN) == set(TYPES)


@pytest.mark.parametrize("name", exports.NAMES)
def test_every_type_is_exported_as_it_was(name):
    """`python -m tests.exports.examples` writes the golden files."""
    (golden,) = GOLDEN.glob(f"{name}.*")
    assert exported(name).decode() == golden.read_bytes().decode()


@pytest.mark.parametrize("name", exports.NAMES)
@settings(max_examples=60, deadline=None)
@given(st.lists(hostile(), max_size=4))
def test_the_same_events_give_the_same_bytes_that_act_on_nobody(name, events):
    made = b"".join(exports.render(name, events))
    assert made == b"".join(exports.render(name, events))
    for line in made.decode().replace("\r\n", "\n").split("\n"):
        assert terminal_safe(line, len(line)) == line


@pytest.mark.parametrize("name", exports.NAMES)
def test_events_are_asked_for_one_by_one_and_let_go(name):
    """Memory does not grow with the number of events."""
    endless = (event(seconds=n, id=str(n), host="h") for n in itertools.count())
    pieces = exports.render(name, endless)
    for _ in itertools.islice(pieces, 3000):
        pass
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in itertools.islice(pieces, 3000):
        pass
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 500_000


@pytest.mark.parametrize("name", exports.NAMES)
def test_no_events_are_a_whole_document_too(name):
    made = b"".join(exports.render(name, []))
    assert made == b"" or made.endswith(b"\n")
    assert len(b"".join(exports.render(name, EXAMPLES[:1]))) > len(made)
