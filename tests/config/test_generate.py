from pathlib import Path

import msgspec
import yaml

from mlids.config.check import all_keys, problems
from mlids.config.generate import default, default_text, json_schema, limits
from mlids.config.schema import settings_type

ROOT = Path(__file__).parents[2]


def test_config_yaml_in_the_repository_is_the_generated_one():
    assert (ROOT / "config.yaml").read_text() == default_text(), "run: make docs"


def test_the_default_text_holds_every_key_with_its_default():
    values = yaml.safe_load(default_text())
    assert problems(values, settings_type(), lambda path: None) == []
    for path, field in all_keys(settings_type()):
        inside = values
        for name in path:
            inside = inside[name]
        assert inside == default(field), path


def test_the_defaults_of_the_reference_document():
    values = yaml.safe_load(default_text())
    assert values["thresholds"] == {
        "port_scan_threshold": 10,
        "brute_force_threshold": 5,
        "packet_rate_threshold": 100,
        "anomaly_threshold": 3.5,
    }
    assert values["analysis"] == {
        "window_size": 300,
        "statistical_method": "mad",
        "alert_threshold": 0.95,
    }
    assert values["logging"]["max_size"] == 10485760
    assert values["logging"]["backup_count"] == 5
    assert (values["sinks"]["tcp"]["port"], values["sinks"]["websocket"]["port"]) == (9999, 8080)
    assert values["integrations"]["elk"]["elasticsearch_url"] == "http://localhost:9200"
    assert values["integrations"]["elk"]["index_pattern"] == "mlids-*"
    splunk = values["integrations"]["splunk"]
    assert (splunk["host"], splunk["port"], splunk["token"]) == ("splunk.example.local", 514, "")
    assert values["monitoring"] == {
        "app_log_patterns": [],
        "log_rules": [],
        "enabled": True,
        "interface": "auto",
        "directory": ".",
        "app_log": "auto",
    }


def test_every_setting_is_described():
    from mlids.config.generate import description

    bare = [".".join(path) for path, field in all_keys(settings_type()) if not description(field)]
    assert bare == []


def test_limits_are_words():
    fields = {path[-1]: field for path, field in all_keys(settings_type())}
    assert limits(fields["port_scan_threshold"]) == "from 2 to 65535"
    assert "mad" in limits(fields["statistical_method"])


def test_the_schema_is_json_and_refuses_unknown_keys():
    schema = json_schema()
    assert msgspec.json.decode(msgspec.json.encode(schema)) == schema
    assert schema["$defs"]["Settings"]["additionalProperties"] is False
