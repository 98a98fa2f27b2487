import pytest

from mlids import assembly
from mlids.batches import ChangeBatch, LineBatch, PacketBatch
from mlids.config import ConfigManager
from mlids.errors import MLIDSError
from mlids.metrics import Metrics


def settings(tmp_path, text=""):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return ConfigManager(path, environment={}).settings


def test_thresholds_reach_the_detectors(tmp_path):
    chosen = settings(tmp_path, "thresholds: {port_scan_threshold: 33, brute_force_threshold: 7}\n")
    packets = assembly.detectors(chosen, PacketBatch)
    lines = assembly.detectors(chosen, LineBatch)
    assert packets["port_scan"].settings.threshold == 33
    assert lines["brute_force"].settings.threshold == 7
    assert set(assembly.detectors(chosen, ChangeBatch)) == {"integrity"}


def test_what_is_switched_off_is_not_built(tmp_path):
    chosen = settings(tmp_path, "detectors: {login: {enabled: false}}\n")
    assert "login" not in assembly.detectors(chosen, LineBatch)


def test_monitors_follow_the_settings(tmp_path):
    text = (
        f"monitoring: {{interface: [lo, none], directory: [/etc, '{tmp_path}'], app_log: a.log}}\n"
    )
    made = assembly.live_monitors(settings(tmp_path, text), tmp_path, ["/own"])
    assert [one.name for one in made] == ["network", "files", "logs"]
    assert made[1].tree.is_own("/own/x")
    assert made[2].settings.paths == ["a.log"]
    nothing = "monitoring: {interface: none, directory: [], app_log: none}\n"
    assert assembly.live_monitors(settings(tmp_path, nothing), tmp_path, []) == []
    off = "monitoring: {enabled: false}\n"
    assert assembly.live_monitors(settings(tmp_path, off), tmp_path, []) == []
    gone = "monitors: {network: {enabled: false}, files: {enabled: false}}\nmonitoring: {app_log: none}\n"
    assert assembly.live_monitors(settings(tmp_path, gone), tmp_path, []) == []


def test_auto_means_the_logs_of_the_host(tmp_path, monkeypatch):
    monkeypatch.setattr("mlids.hostlogs.found", lambda: ["/var/log/auth.log"])
    monkeypatch.setattr("mlids.hostlogs.journal_needed", lambda: True)
    text = "monitoring: {interface: none, directory: none, app_log: [auto, mine.log]}\n"
    made = assembly.live_monitors(settings(tmp_path, text), tmp_path, [])
    assert [one.name for one in made] == ["logs"]  # one lane, so that attacks across them are seen
    assert [one.name for one in made[0].monitors] == ["logs", "journal"]
    assert made[0].monitors[0].settings.paths == ["mine.log", "/var/log/auth.log"]


def test_formats_have_their_section_and_the_zone_of_the_logs(tmp_path):
    chosen = settings(tmp_path, "monitors: {logs: {timezone: Europe/Paris}}\n")
    assert assembly.formats(chosen).made("syslog").settings.timezone == "Europe/Paris"


def test_the_listener_is_used_where_it_has_somewhere_to_listen(tmp_path):
    text = (
        "monitoring: {interface: none, directory: none, app_log: a.log}\n"
        "monitors: {syslog: {listen: ['udp://127.0.0.1:5514']}}\n"
    )
    (made,) = assembly.live_monitors(settings(tmp_path, text), tmp_path, [])
    assert [one.name for one in made.monitors] == ["logs", "syslog"]
    assert made.name == "logs"
    with pytest.raises(MLIDSError, match="E002"):
        wrong = text.replace("udp://", "ftp://")
        assembly.live_monitors(settings(tmp_path, wrong), tmp_path, [])


def test_log_groups_join_the_lane_of_lines_where_there_are_any(tmp_path):
    text = (
        "monitoring: {interface: none, directory: none, app_log: a.log}\n"
        "monitors: {cloudwatch: {log_groups: [/ecs/app], region: eu-west-1}}\n"
    )
    chosen = settings(tmp_path, text)
    (made,) = assembly.live_monitors(chosen, tmp_path, [])
    assert [one.name for one in made.monitors] == ["logs", "cloudwatch"]
    assert made.monitors[1].settings.checkpoint == str(tmp_path / "cloudwatch.json")
    assert "cloudwatch /ecs/app" in assembly.circumstances(chosen).inputs
    off = text.replace("log_groups: [/ecs/app]", "log_groups: []")
    (made,) = assembly.live_monitors(settings(tmp_path, off), tmp_path, [])
    assert made.name == "logs" and not hasattr(made, "monitors")
    with pytest.raises(MLIDSError, match="E002"):
        wrong = text.replace("region: eu-west-1", "format: nothing")
        assembly.live_monitors(settings(tmp_path, wrong), tmp_path, [])


def test_sinks_and_notifiers_that_are_enabled_get_a_delivery(tmp_path):
    text = (
        "sinks: {tcp: {enabled: true, port: 5, min_severity: HIGH}}\n"
        "notifiers: {console: {enabled: true}}\n"
    )
    made = assembly.deliveries(settings(tmp_path, text), tmp_path, Metrics(), lambda error: None)
    assert [one.name for one in made] == ["tcp", "console"]
    assert made[0].handler.settings.port == 5


def test_secrets_come_from_the_environment(tmp_path, monkeypatch):
    text = 'integrations: {splunk: {enabled: true, token: "${HEC_TOKEN}"}}\n'
    chosen = settings(tmp_path, text)
    with pytest.raises(MLIDSError) as caught:
        assembly.build(chosen, "integrations", "splunk")
    assert caught.value.code == "E002"
    monkeypatch.setenv("HEC_TOKEN", "abc")
    assert assembly.build(chosen, "integrations", "splunk").settings.token == "abc"


def test_correlators_are_built_with_their_rules(tmp_path):
    manager = settings(
        tmp_path,
        "correlators: {sequence: {enabled: false}, threshold: {rules: [{name: a, count: 3}]}}",
    )
    made = {one.name: one for one in assembly.correlators(manager)}
    assert made.keys() == {"incident", "threshold"}
    assert made["threshold"].settings.rules[0].count == 3
