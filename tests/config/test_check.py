from typing import Any

import pytest

from mlids.config import check
from mlids.config.schema import settings_type
from mlids.config.tree import parse


def found(text: str) -> list[str]:
    document = parse(text)
    return check.problems(document.values, settings_type(), document.line)


def test_right_values_have_no_problems():
    assert found("thresholds:\n  port_scan_threshold: 15\nversion: '1.0'\n") == []


def test_an_empty_section_means_its_defaults():
    assert found("thresholds:\n") == []


def test_all_problems_are_told_at_once_with_line_and_nearest_key():
    text = "thresholds:\n  port_scan_treshold: 15\n  brute_force_threshold: many\nsniks: {}\n"
    problems = found(text)
    assert len(problems) == 3
    assert problems[0].startswith("line 2: thresholds.port_scan_treshold is unknown")
    assert "did you mean thresholds.port_scan_threshold?" in problems[0]
    assert problems[1].startswith("line 3: thresholds.brute_force_threshold: expected `int`")
    assert "did you mean sinks?" in problems[2]


def test_a_key_in_the_wrong_section_is_shown_its_place():
    assert "thresholds.port_scan_threshold" in found("monitoring:\n  port_scan_threshold: 3\n")[0]


def test_a_value_where_a_section_belongs():
    assert "a section of keys" in found("sinks: true\n")[0]


LEAVES = [(".".join(path), field) for path, field in check.all_keys(settings_type())]


@pytest.mark.parametrize("key", [key for key, _ in LEAVES])
def test_every_key_misspelt_once_is_refused_and_named(key):
    section, _, leaf = key.rpartition(".")
    wrong = leaf[:-1] if len(leaf) > 3 else leaf + "x"
    if (section + "." + wrong).lstrip(".") in dict(LEAVES):
        wrong = leaf + "_x"
    values: dict[str, Any] = {wrong: 1}
    for name in reversed(section.split(".") if section else []):
        values = {name: values}
    problems = check.problems(values, settings_type(), lambda path: 7)
    assert len(problems) == 1
    assert problems[0].startswith("line 7: ")
    assert "is unknown" in problems[0]
    assert f"did you mean {key}?" in problems[0]


@pytest.mark.parametrize("key", [key for key, _ in LEAVES])
def test_every_key_refuses_a_value_of_a_wrong_type(key):
    values: Any = {"no": {"setting": "is a mapping of mappings"}}
    for name in reversed(key.split(".")):
        values = {name: values}
    problems = check.problems(values, settings_type(), lambda path: None)
    assert len(problems) == 1
    assert problems[0].startswith(f"{key}: ")


def test_a_wrong_secret_is_not_shown():
    problems = found("integrations: {splunk: {token: 98765}, elk: {password: [98765]}}\n")
    assert len(problems) == 2
    assert all("expected `str`" in problem and "98765" not in problem for problem in problems)


def test_lists_of_structs_are_looked_into():
    given = {
        "monitoring": {
            "app_log_patterns": [
                {"name": "right", "pattern": "a"},
                {"name": "x", "pattern": "(a"},
                {"name": "y", "pattern": "a", "sevrity": "LOW"},
                {"name": "z", "pattern": "a", "threshold": 0},
                "text",
            ]
        }
    }
    found = check.problems(given, settings_type(()), len)
    assert len(found) == 4
    assert "monitoring.app_log_patterns.2: pattern does not compile" in found[0]
    assert (
        "line 4: monitoring.app_log_patterns.3.sevrity is unknown; did you mean severity?"
        in found[1]
    )
    assert "monitoring.app_log_patterns.4.threshold" in found[2]
    assert "monitoring.app_log_patterns.5: keys and values are expected" in found[3]


def test_a_mistake_deep_in_a_list_has_its_line_and_its_whole_name():
    text = "correlators:\n  sequence:\n    rules:\n      - name: a\n        steps:\n          - {type: x}\n          - {tpe: y}\n"
    assert found(text) == [
        "line 7: correlators.sequence.rules.1.steps.2.tpe is unknown; did you mean type?"
    ]
