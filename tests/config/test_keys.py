import pytest

from mlids.config.keys import from_environment, read_value, resolve
from mlids.config.schema import settings_type
from mlids.errors import ConfigError


def test_full_and_short_keys_and_sections():
    kind = settings_type()
    full = ("thresholds", "port_scan_threshold")
    assert resolve("thresholds.port_scan_threshold", kind) == full
    assert resolve("port_scan_threshold", kind) == full
    assert resolve("tcp.port", kind) == ("sinks", "tcp", "port")
    assert resolve("sinks", kind) == ("sinks",)


def test_an_ambiguous_short_key_names_what_it_could_be():
    with pytest.raises(ConfigError, match=r"ambiguous: .*sinks\.tcp\.port"):
        resolve("port", settings_type())


def test_an_unknown_key_names_the_nearest():
    with pytest.raises(ConfigError, match=r"did you mean thresholds\.port_scan_threshold"):
        resolve("port_scan_treshold", settings_type())


def test_environment():
    found = from_environment(
        {"MLIDS_THRESHOLDS__PORT_SCAN_THRESHOLD": "15", "MLIDS_CORPORA": "/x", "PATH": "/bin"}
    )
    assert found == {("thresholds", "port_scan_threshold"): "15"}


def test_typed_values_are_read_as_yaml():
    assert read_value("15") == 15
    assert read_value("[a, b]") == ["a", "b"]
    assert read_value("[a, b") == "[a, b"
