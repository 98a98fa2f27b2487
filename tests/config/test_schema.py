import msgspec

from mlids import registry
from mlids.config.check import all_keys
from mlids.config.schema import UNUSED, section_of, settings_type


def test_every_plugin_that_can_be_switched_has_a_section():
    settings = settings_type()()
    for folder in ("detectors", "integrations", "notifiers"):
        for name in registry.names(folder):
            title, _, key = section_of(folder, name).partition(".")
            assert isinstance(getattr(getattr(settings, title), key).enabled, bool)
    assert not hasattr(settings.monitors, "pcap")  # recordings are named, not configured


def test_sinks_are_off_and_detectors_on_by_default():
    settings = settings_type()()
    assert not settings.sinks.tcp.enabled
    assert settings.detectors.integrity.enabled


def test_unused_keys_exist():
    keys = {".".join(path) for path, _ in all_keys(settings_type())}
    assert set(UNUSED) <= keys


def test_settings_are_read_only():
    settings = settings_type()()
    try:
        settings.thresholds.port_scan_threshold = 1
    except AttributeError:
        return
    raise AssertionError("settings can be changed")


def test_defaults_are_valid():
    values = msgspec.to_builtins(settings_type()())
    assert msgspec.convert(values, settings_type()) == settings_type()()
