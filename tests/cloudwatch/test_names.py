import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlids.cloudwatch.names import file_name

NAMES = st.one_of(
    st.text(),
    st.text(st.characters(), max_size=4096),  # surrogates, too
    st.text("abAB./-_\\\0 \x1b", max_size=200),
    st.lists(st.sampled_from(["..", ".", "", "etc", "A", "a"])).map("/".join),
    st.from_regex(r"[a-z]{0,3}-[0-9a-f]{16}", fullmatch=True),
)


@pytest.mark.parametrize("name", ["web", "0a1b2c3d", "app-1.log", "_x", "a" * 120, "i-0abc"])
def test_short_plain_names_stay_as_they_are(name):
    assert file_name(name) == name


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("ecs/pinnokio_microservice/abc123", "ecs_pinnokio_microservice_abc123-"),
        ("2025/01/13/[$LATEST]ab", "2025_01_13___LATEST_ab-"),
        ("Web", "Web-"),
        ("../../etc/cron.d/x", "_._.._etc_cron.d_x-"),
        ("-rf", "_rf-"),
        ("", "_-"),
        ("x.", "x.-"),
        ("mlids", "mlids-"),
    ],
)
def test_other_names_can_still_be_read(name, start):
    assert re.fullmatch(re.escape(start) + "[0-9a-f]{16}", file_name(name))


@given(NAMES)
@example("\ud800")
@example("/etc/passwd")
@example("a\0b")
@example("ü" * 4096)
@example("con.")
def test_a_name_is_always_a_direct_child_of_the_folder(name):
    folder = Path("/srv/logs").resolve()
    made = file_name(name)
    assert (folder / made).resolve().parent == folder
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", made)
    assert len(made) <= 120 and made[-1] != "."
    assert file_name(name) == made


@given(st.lists(NAMES, min_size=2, max_size=6, unique=True))
@example(["Web", "web", "WEB", "wEb"])
@example(["a/b", "a_b", "a\\b", "a\0b"])
@example(["A", file_name("A"), file_name("A").casefold(), file_name(file_name("A"))])
@example(["\ud83d\ude00", "\U0001f600", "\ud83d", "\ude00"])
@example(["x" * 4096, "x" * 4095, "x" * 120, "x" * 121])
def test_different_names_never_meet_not_even_where_case_is_ignored(names):
    assert len({file_name(name).casefold() for name in names}) == len(set(names))
