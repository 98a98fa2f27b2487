from __future__ import annotations

import pytest

from mlids.web.matching import Finding
from mlids.web.usual import LONGEST, Sizes, severity

FINDING = Finding("SQL Injection", "sqli", "sqli-x", "value q", "x", 0.9, ())


def sizes(*known):
    made = Sizes()
    for size in known:
        made.add(b"/s", 200, size)
    return made


@pytest.mark.parametrize(
    ("known", "status", "size", "worked", "level"),
    [
        ((), 200, 500, "likely", "HIGH"),
        ((), 404, 500, "unlikely", "MEDIUM"),
        ((), 500, 500, "unlikely", "MEDIUM"),
        ((), 0, -1, "unknown", "MEDIUM"),
        ((1000, 1010), 200, 1000, "likely", "HIGH"),
        ((1000, 1010, 990), 200, 1050, "unlikely", "MEDIUM"),
        ((1000, 1010, 990), 200, 1201, "likely", "HIGH"),
        ((1000, 1010, 990), 200, -1, "likely", "HIGH"),
        ((10, 10, 10), 200, 74, "unlikely", "MEDIUM"),
        ((10, 10, 10), 200, 75, "likely", "HIGH"),
    ],
)
def test_whether_it_seems_to_have_worked(known, status, size, worked, level):
    answer = sizes(*known).judge(b"/s", status, size)
    assert (answer.worked, severity(FINDING, answer)) == (worked, level)
    assert (str(status) if status else "does not tell") in answer.why


def test_what_is_hardly_sure_is_never_high():
    answer = Sizes().judge(b"/s", 200, 5)
    assert severity(FINDING._replace(confidence=0.3), answer) == "MEDIUM"


def test_only_good_answers_of_bounded_paths_are_remembered():
    made = Sizes(paths=3)
    for n in range(9):
        made.add(b"/%d" % n, 200, 5)
    made.add(b"/x" * LONGEST, 200, 5)
    made.add(b"/y", 404, 5)
    made.add(b"/z", 200, -1)
    assert [path for path, _ in made.save()] == [b"/6", b"/7", b"/8"]


def test_it_survives_a_restart():
    made = sizes(1, 2, 3)
    again = Sizes()
    again.restore(made.save())
    assert again.judge(b"/s", 200, 2) == made.judge(b"/s", 200, 2)
