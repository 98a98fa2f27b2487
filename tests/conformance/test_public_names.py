"""The public Python API: the names that users write, each where the documents say."""

import importlib
import inspect

import pytest

NAMES = {
    "mlids": ["MLIDS", "MLIDSError", "create_default_config"],
    "mlids.app": ["MLIDS"],
    "mlids.logger": ["EventLogger"],
    "mlids.analyzer": ["Analyzer"],
    "mlids.events": [
        "Event",
        "EventFilter",
        "EventHandler",
        "EventSink",
        "Severity",
        "Notifier",
        "Action",
        "Correlator",
        "SinkError",
        "detection_id",
    ],
    "mlids.batches": [
        "PacketBatch",
        "LineBatch",
        "ChangeBatch",
        "FileChange",
        "Monitor",
        "Detector",
        "LogFormat",
    ],
    "mlids.config": ["ConfigManager", "ConfigValidator", "create_default_config"],
    "mlids.integrations.splunk": ["SplunkSink"],
    "mlids.integrations.elk": ["ELKSink"],
    "mlids.integrations.tcp": ["TCPSink"],
    "mlids.integrations.websocket": ["WebSocketSink"],
    "mlids.testing": ["event", "lines", "packets", "changes", "check_detector", "check_sink"],
}
METHODS = {
    "mlids.MLIDS": [
        "start",
        "stop",
        "set_interface",
        "register_handler",
        "register_detector",
        "add_sink",
        "get_events",
        "reload",
        "status",
    ],
    "mlids.logger.EventLogger": ["log_event", "search_events"],
    "mlids.analyzer.Analyzer": [
        "generate_summary",
        "detect_anomalies",
        "export_report",
        "load_data",
    ],
    "mlids.config.ConfigManager": ["get", "set", "save", "reload"],
    "mlids.config.ConfigValidator": ["validate"],
    "mlids.events.EventSink": ["open", "send_event", "send_batch", "close"],
    "mlids.events.EventHandler": ["handle_event"],
    "mlids.events.EventFilter": ["matches"],
}
PAIRS = [(module, name) for module, names in NAMES.items() for name in names]


@pytest.mark.parametrize(("module", "name"), PAIRS)
def test_the_name_is_there_and_documented(module, name):
    found = getattr(importlib.import_module(module), name)
    assert inspect.getdoc(found)


@pytest.mark.parametrize("owner", METHODS)
def test_the_methods_are_there_and_documented(owner):
    module, _, name = owner.rpartition(".")
    found = getattr(importlib.import_module(module), name)
    for method in METHODS[owner]:
        assert inspect.getdoc(getattr(found, method)), f"{owner}.{method}"


def test_signatures_that_the_documents_show():
    from mlids import MLIDS, create_default_config
    from mlids.analyzer import Analyzer
    from mlids.integrations.elk import ELKSink
    from mlids.integrations.splunk import SplunkSink
    from mlids.logger import EventLogger

    inspect.signature(MLIDS).bind(config_file="config.yaml")
    inspect.signature(EventLogger).bind(logs_dir="logs")
    inspect.signature(EventLogger.log_event).bind(None, event_type="x", details={}, severity="LOW")
    inspect.signature(EventLogger.search_events).bind(None, "Failed Login", hours=24)
    inspect.signature(Analyzer.export_report).bind(None, format="json", output_file="r.json")
    inspect.signature(Analyzer.generate_summary).bind(None, days=30)
    inspect.signature(Analyzer.detect_anomalies).bind(None, window_hours=24)
    inspect.signature(create_default_config).bind()
    assert SplunkSink("h", 514, "t")
    assert SplunkSink(host="splunk.example.local", port=514, token="your-splunk-token")
    assert ELKSink("http://localhost:9200", index_pattern="mlids-{timestamp:%Y.%m.%d}")


def test_there_is_no_other_name_at_the_top():
    import mlids

    assert mlids.__all__ == ["MLIDS", "MLIDSError", "create_default_config"]
    with pytest.raises(AttributeError):
        _ = mlids.no_such_name
