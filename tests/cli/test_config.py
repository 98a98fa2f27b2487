import json

import pytest
import yaml


def test_list_get_set_and_short_keys(run, tmp_path):
    listed = run("config", "--list")
    assert listed.returncode == 0
    assert "thresholds.port_scan_threshold = 10" in listed.stdout.splitlines()
    assert run("config", "--get", "port_scan_threshold").stdout == "10\n"
    assert run("config", "--set", "port_scan_threshold", "15").returncode == 0
    assert run("config", "--get", "thresholds.port_scan_threshold").stdout == "15\n"
    assert "# MLIDS configuration" in (tmp_path / "config.yaml").read_text()


def test_comments_survive_a_change(run, tmp_path):
    text = "# mine\nthresholds:\n  port_scan_threshold: 12  # why\n"
    (tmp_path / "my.yaml").write_text(text)
    done = run("config", "--set", "port_scan_threshold", "20", "--config", "my.yaml")
    assert done.returncode == 0
    assert (tmp_path / "my.yaml").read_text() == text.replace("12", "20")


@pytest.mark.parametrize(
    ("key", "value", "part"),
    [
        ("port_scan_threshold", "many", "expected `int`"),
        ("port_scan_treshold", "3", "did you mean"),
        ("port", "3", "ambiguous"),
        ("statistical_method", "magic", "statistical_method"),
        ("port_scan_threshold", "1", ">= 2"),
    ],
)
def test_wrong_changes_are_refused(run, tmp_path, key, value, part):
    done = run("config", "--set", key, value)
    assert done.returncode == 3
    assert "E002" in done.stderr
    assert part in done.stderr
    assert not (tmp_path / "config.yaml").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [("logging.logs_dir", "8.8"), ("logs_dir", "no"), ("interface", "eth0"), ("app_log", "1")],
)
def test_a_text_setting_takes_what_looks_like_something_else(run, tmp_path, key, value):
    assert run("config", "--set", key, value).returncode == 0
    assert run("config", "--get", key).stdout == value + "\n"


def test_a_list(run):
    assert run("config", "--set", "interface", "[eth0, eth1]").returncode == 0
    assert json.loads(run("config", "--get", "interface").stdout) == ["eth0", "eth1"]


def test_validate(run, tmp_path):
    assert run("config", "--validate").returncode == 0
    (tmp_path / "config.yaml").write_text("a: 1\nthresholds:\n  port_scan_threshold: x\n")
    done = run("config", "--validate")
    assert done.returncode == 1
    assert "line 1: a is unknown" in done.stdout
    assert "line 3: thresholds.port_scan_threshold" in done.stdout
    told = json.loads(run("config", "--validate", "--json").stdout)
    assert len(told["problems"]) == 2


def test_validate_says_what_has_no_effect(run, tmp_path):
    (tmp_path / "config.yaml").write_text("logging: {file: x.log}\n")
    done = run("config", "--validate")
    assert done.returncode == 0
    assert "logging.file has no effect" in done.stderr


def test_init_and_reset_with_backup(run, tmp_path):
    assert run("config", "--init").returncode == 0
    assert run("config", "--init").returncode == 3
    (tmp_path / "config.yaml").write_text("version: '9'\n")
    assert run("config", "--reset").returncode == 0
    assert "port_scan_threshold: 10" in (tmp_path / "config.yaml").read_text()
    (backup,) = tmp_path.glob("config.yaml.*.bak")
    assert backup.read_text() == "version: '9'\n"


def test_schema_and_json(run):
    schema = json.loads(run("config", "--schema").stdout)
    assert "thresholds" in schema["$defs"]["Settings"]["properties"]
    listed = json.loads(run("config", "--list", "--json").stdout)
    assert listed["sinks.tcp.port"] == 9999
    assert yaml.safe_load(run("config", "--get", "thresholds").stdout)["port_scan_threshold"] == 10


def test_a_missing_file_that_was_named_is_e001(run):
    done = run("config", "--list", "--config", "none.yaml")
    assert done.returncode == 3
    assert "E001" in done.stderr


def test_wrong_use_is_2(run):
    assert run("config").returncode == 2
    assert run("config", "--list", "--validate").returncode == 2
    assert run("config", "--no-such").returncode == 2


def test_no_secret_is_printed(run, tmp_path):
    (tmp_path / "config.yaml").write_text("integrations: {splunk: {token: canary-123}}\n")
    for arguments in (
        ["--list"],
        ["--list", "--json"],
        ["--get", "integrations"],
        ["--get", "splunk.token"],
        ["--validate"],
    ):
        done = run("config", *arguments)
        assert "canary" not in done.stdout + done.stderr


def test_validate_tells_what_only_a_plugin_can_judge(run, tmp_path):
    (tmp_path / "config.yaml").write_text("detectors: {port_scan: {ignore_sources: [nonsense]}}\n")
    done = run("config", "--validate")
    assert done.returncode == 1
    assert "nonsense" in done.stdout
    assert "Traceback" not in done.stderr


def test_no_backup_is_written_over(tmp_path):
    from mlids.cli.config import _reset

    path = tmp_path / "config.yaml"
    for n in range(3):  # within one second, as a script may
        path.write_text(f"thresholds: {{port_scan_threshold: 1{n}}}\n")
        _reset(path)
    kept = {backup.read_text()[-4:-2] for backup in tmp_path.glob("*.bak")}
    assert kept == {"10", "11", "12"}
