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


def test_keys_of_the_fixed_sections_mean_the_same_without_plugins():
    from mlids.config.check import all_keys
    from mlids.config.keys import is_fixed, resolve
    from mlids.config.schema import settings_type

    fixed, every = settings_type(()), settings_type()
    for path, _ in all_keys(fixed):
        for key in (path[-1], ".".join(path)):
            if is_fixed(key):
                assert resolve(key, fixed) == resolve(key, every)
    assert is_fixed("port_scan_threshold")
    assert is_fixed("thresholds")
    assert not is_fixed("enabled")
    assert not is_fixed("detectors.port_scan.window_s")
    assert not is_fixed("snaplen")
