import pytest

from mlids.backtest import changes
from mlids.config import ConfigManager
from mlids.errors import ConfigError, MLIDSError


@pytest.fixture
def manager(tmp_path):
    return ConfigManager(tmp_path / "config.yaml", environment={})


def test_short_keys_and_values_are_read_as_config_set_reads_them(manager):
    before, after, made = changes.read(
        manager, ["brute_force_threshold=8", "network.exclude_ips=[192.0.2.1]"]
    )
    assert before.thresholds.brute_force_threshold == 5
    assert after.thresholds.brute_force_threshold == 8
    assert after.network.exclude_ips == ["192.0.2.1"]
    assert made[0].text == "thresholds.brute_force_threshold 8 instead of 5"


def test_what_stands_above_the_file_gives_way(tmp_path):
    environment = {"MLIDS_THRESHOLDS__BRUTE_FORCE_THRESHOLD": "7"}
    manager = ConfigManager(tmp_path / "config.yaml", environment=environment)
    manager.override({"thresholds.port_scan_threshold": 12})
    before, after, _ = changes.read(manager, ["brute_force_threshold=8"])
    assert before.thresholds.brute_force_threshold == 7
    assert after.thresholds.brute_force_threshold == 8
    assert after.thresholds.port_scan_threshold == 12


def test_secrets_are_not_shown(manager):
    _, _, made = changes.read(manager, ["integrations.splunk.token=hush-hush"])
    assert "hush" not in made[0].text


@pytest.mark.parametrize("text", ["port_scn_threshold=3", "port_scan_threshold=x", "a.b.c=1"])
def test_a_wrong_key_or_value_is_an_error_of_the_configuration(manager, text):
    with pytest.raises(ConfigError) as caught:
        changes.read(manager, [text])
    assert caught.value.code == "E002"


@pytest.mark.parametrize("text", ["port_scan_threshold", "=3", ""])
def test_a_text_without_a_key_or_value_is_refused(manager, text):
    with pytest.raises(MLIDSError, match="KEY=VALUE"):
        changes.read(manager, [text])


def test_a_change_reaches_every_plugin_that_is_filled_from_the_key(manager):
    before, after, _ = changes.read(manager, ["port_scan_threshold=20"])
    found = changes.differences(before, after)
    assert set(found) == {"port_scan", "kernel_firewall"}
    assert found["port_scan"].changed == {"threshold": 20}
    assert found["port_scan"].settings["threshold"] == 10


def test_a_plugin_that_is_switched_on_or_off_is_reached(manager):
    before, after, _ = changes.read(manager, ["detectors.brute_force.enabled=false"])
    assert changes.differences(before, after)["brute_force"].enabled == (True, False)
    assert changes.differences(after, before)["brute_force"].enabled == (False, True)


def test_only_the_named_detectors_stay_on(manager):
    settings = changes.only(manager.settings, ["brute_force"]).detectors
    assert settings.brute_force.enabled and not settings.port_scan.enabled
