import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mlids.config.edit import scalar, with_value
from mlids.config.tree import parse

TEXT = """\
# head
version: "1.0"   # kept

thresholds:  # of detectors
  port_scan_threshold: 10  # ports
  # a comment between
  brute_force_threshold: 5

monitoring:
  directory:
    - /etc
    - /srv

  interface: auto
sinks: {tcp: {enabled: false}}
"""


def changed(key: str, value: object, text: str = TEXT) -> str:
    return with_value(parse(text), tuple(key.split(".")), value).text


def test_one_scalar_changes_and_no_other_byte():
    expected = TEXT.replace("port_scan_threshold: 10", "port_scan_threshold: 15")
    assert changed("thresholds.port_scan_threshold", 15) == expected


def test_a_quoted_text_is_replaced():
    assert changed("version", "2.0") == TEXT.replace('"1.0"', '"2.0"')


def test_a_block_list_becomes_one_line_and_the_rest_stays():
    text = changed("monitoring.directory", ["/home"])
    assert parse(text).values["monitoring"] == {"directory": ["/home"], "interface": "auto"}
    assert "# a comment between" in text


def test_a_missing_key_goes_to_its_section():
    text = changed("thresholds.anomaly_threshold", 4.5)
    assert "  brute_force_threshold: 5\n  anomaly_threshold: 4.5\n" in text


def test_a_missing_section_goes_to_the_end():
    assert changed("analysis.window_size", 60).endswith("analysis:\n  window_size: 60\n")


def test_a_flow_mapping_takes_a_further_key():
    assert "{tcp: {enabled: false, port: 99}}" in changed("sinks.tcp.port", 99)


def test_an_empty_section_and_an_empty_file_take_a_key():
    assert parse(changed("a.b", 1, "a:\n")).values == {"a": {"b": 1}}
    assert parse(changed("a.b", 1, "")).values == {"a": {"b": 1}}
    assert parse(changed("a", 1, "# no newline at the end")).values == {"a": 1}


@pytest.mark.parametrize(
    "text", ["yes", "no", "on", "null", "~", "0644", "1:30", "1e3", "", "a: b"]
)
def test_texts_that_yaml_would_misread_are_quoted(text):
    assert scalar(text).startswith('"')
    assert yaml.safe_load(scalar(text)) == text


VALUES = st.one_of(
    st.integers(), st.booleans(), st.text(max_size=20), st.lists(st.text(max_size=5), max_size=3)
)


@given(
    st.sampled_from(
        [
            "thresholds.port_scan_threshold",
            "version",
            "monitoring.directory",
            "monitoring.app_log",
            "sinks.tcp.host",
            "new.section.key",
        ]
    ),
    VALUES,
)
def test_whatever_is_set_is_read_back_and_nothing_else_changes(key, value):
    before, after = parse(TEXT), parse(changed(key, value))
    path = tuple(key.split("."))
    inside = after.values
    for name in path:
        inside = inside[name]
    assert inside == value
    assert without(before.values, path) == without(after.values, path)
    assert after.text.count("#") >= 4


def without(values: dict, path: tuple[str, ...]) -> dict:
    if len(path) == 1:
        return {key: value for key, value in values.items() if key != path[0]}
    inner = without(values.get(path[0], {}), path[1:])
    rest = {key: value for key, value in values.items() if key != path[0]}
    return {**rest, path[0]: inner} if inner else rest
