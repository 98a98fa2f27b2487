import os
import stat

import pytest

from mlids.config import ConfigManager, ConfigValidator, create_default_config
from mlids.errors import ConfigError


@pytest.fixture
def path(tmp_path):
    target = tmp_path / "config.yaml"
    target.write_text("# mine\nthresholds:\n  port_scan_threshold: 12  # ports\n")
    return target


def test_get_set_save_reload(path):
    config = ConfigManager(path)
    assert config.get("thresholds.port_scan_threshold") == 12
    config.set("thresholds.port_scan_threshold", 15)
    assert config.get("port_scan_threshold") == 15
    assert "12" in path.read_text()
    config.save()
    assert path.read_text() == "# mine\nthresholds:\n  port_scan_threshold: 15  # ports\n"
    path.write_text("thresholds: {port_scan_threshold: 20}\n")
    config.reload()
    assert config.get("port_scan_threshold") == 20


def test_a_missing_file_means_defaults(tmp_path):
    config = ConfigManager(tmp_path / "none.yaml")
    assert not config.exists
    assert config.settings.thresholds.port_scan_threshold == 10
    assert config.get("sinks.tcp.port") == 9999
    assert config.get("thresholds")["brute_force_threshold"] == 5


def test_saving_to_a_missing_file_writes_the_commented_defaults(tmp_path):
    config = ConfigManager(tmp_path / "new.yaml")
    config.set("port_scan_threshold", 11)
    config.save()
    text = (tmp_path / "new.yaml").read_text()
    assert "port_scan_threshold: 11  # distinct ports" in text
    assert ConfigManager(tmp_path / "new.yaml").problems == []


def test_precedence_file_environment_command_line(path):
    config = ConfigManager(path, environment={"MLIDS_THRESHOLDS__PORT_SCAN_THRESHOLD": "30"})
    assert config.get("port_scan_threshold") == 30
    config.override({"thresholds.port_scan_threshold": 40})
    assert config.settings.thresholds.port_scan_threshold == 40
    config.save()
    assert "port_scan_threshold: 12" in path.read_text()


@pytest.mark.parametrize("value", ["many", 1, 70000, True, None, [10], 2.5])
def test_a_value_of_the_wrong_type_or_size_is_refused(path, value):
    config = ConfigManager(path)
    with pytest.raises(ConfigError) as caught:
        config.set("port_scan_threshold", value)
    assert caught.value.code == "E002"
    assert config.get("port_scan_threshold") == 12


def test_a_text_of_the_environment_stays_a_text(path):
    given = {"MLIDS_INTEGRATIONS__ELK__PASSWORD": "12345", "MLIDS_MONITORING__INTERFACE": "[a, b]"}
    config = ConfigManager(path, environment=given)
    assert config.problems == []
    assert config.settings.integrations.elk.password == "12345"
    assert config.settings.monitoring.interface == ["a", "b"]


def test_a_partial_configuration_reads_the_environment_too(path):
    given = {"MLIDS_MONITORING__INTERFACE": "none"}
    config = ConfigManager(path, environment=given, folders=["detectors"])
    assert config.settings.monitoring.interface == "none"


def test_a_wrong_environment_is_told(path):
    config = ConfigManager(path, environment={"MLIDS_THRESHOLDS__PORT_SCAN": "x"})
    assert "thresholds.port_scan is unknown" in config.problems[0]


def test_a_bad_reload_keeps_the_old_values(path):
    config = ConfigManager(path)
    path.write_text("thresholds: {port_scan_threshold: none}\n")
    with pytest.raises(ConfigError):
        config.reload()
    assert config.settings.thresholds.port_scan_threshold == 12
    path.write_text("thresholds: [")
    with pytest.raises(ConfigError):
        config.reload()
    assert config.get("port_scan_threshold") == 12


def test_a_broken_file_is_kept_with_its_problems(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xff\xfe binary")
    config = ConfigManager(path)
    assert "UTF-8" in config.problems[0]
    with pytest.raises(ConfigError):
        _ = config.settings


def test_values_that_have_no_effect_are_warned_of(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("logging:\n  file: my.log\nthresholds:\n  packet_rate_threshold: 7\n")
    warnings = ConfigManager(path).warnings
    assert any("logging.file has no effect" in w for w in warnings)
    assert not any("packet_rate_threshold" in w for w in warnings)


def test_splunk_settings_one_level_too_high(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("integrations:\n  host: s.example\n  port: 514\n  token: ''\n")
    config = ConfigManager(path)
    assert config.problems == []
    assert config.settings.integrations.splunk.host == "s.example"
    assert "below integrations.splunk" in config.warnings[0]


def test_secrets_are_hidden_and_references_are_shown(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text('integrations:\n  splunk: {token: s3cret}\n  elk: {api_key: "${ELK_KEY}"}\n')
    config = ConfigManager(path)
    shown = dict(config.items())
    assert shown["integrations.splunk.token"] == "********"
    assert shown["integrations.elk.api_key"] == "${ELK_KEY}"
    assert config.shown("integrations.splunk")["token"] == "********"
    assert config.shown("splunk.token") == "********"
    assert config.get("integrations.splunk.token") == "s3cret"


def test_saving_keeps_the_mode_and_follows_a_link(path, tmp_path):
    path.chmod(0o600)
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    config = ConfigManager(link)
    config.set("port_scan_threshold", 13)
    config.save()
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "13" in path.read_text()


def test_validator_takes_manager_values_and_path(path, tmp_path):
    validator = ConfigValidator()
    assert validator.validate(ConfigManager(path)) == []
    assert validator.validate({"thresholds": {"port_scan_threshold": 3}}) == []
    assert len(validator.validate({"threshold": {}})) == 1
    assert validator.validate(path) == []
    assert "E001" in validator.validate(str(tmp_path / "none.yaml"))[0]


def test_create_default_config_writes_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert create_default_config().name == "config.yaml"
    (tmp_path / "config.yaml").write_text("version: '1.0'\n")
    create_default_config()
    assert os.path.getsize(tmp_path / "config.yaml") < 20


def test_a_folder_in_place_of_the_file_is_a_problem(tmp_path):
    manager = ConfigManager(tmp_path, environment={})
    assert "cannot be read" in manager.problems[0]
    with pytest.raises(ConfigError):
        _ = manager.settings


def test_with_some_kinds_of_plugins_only_mistakes_of_the_others_are_told_all_the_same(tmp_path):
    path = tmp_path / "config.yaml"
    wanted = ("monitors", "formats", "detectors")
    path.write_text("detectors: {port_scan: {window_s: 30}}\n")
    some = ConfigManager(path, environment={}, folders=wanted)
    assert some.settings.detectors.port_scan.window_s == 30
    assert not hasattr(some.settings, "notifiers")
    for text in (
        "sinks: {tcp: {prot: 1}}\n",
        "notifierz: {}\n",
        "detectors: {port_scan: {windows: 3}}\n",
        "thresholds: {port_scan_treshold: 3}\n",
    ):
        path.write_text(text)
        every = ConfigManager(path, environment={}).problems
        assert ConfigManager(path, environment={}, folders=wanted).problems == every != []
