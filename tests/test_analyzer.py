import json

import msgspec
import pytest

from mlids.analyzer import Analyzer
from mlids.errors import MLIDSError
from mlids.store import EventStore
from mlids.testing import START_NS, event
from mlids.volume import NS

DAY = 86400


@pytest.fixture
def analyzer(tmp_path):
    store = EventStore(tmp_path / "logs")
    for n in range(10):
        store.append(
            event(seconds=n * 3600, details={"ip": f"192.0.2.{n % 3}"}).stamped().encoded()
        )
    store.append(event("Port Scan", "HIGH", source="network", seconds=-40 * DAY).encoded())
    store.append(event("XSS", "HIGH", seconds=5, details={"ip": "=cmd()", "user": "a,b"}).encoded())
    store.close()
    return Analyzer(logs_dir=tmp_path / "logs", clock=lambda: START_NS + DAY * NS)


def test_summary_counts_by_type_severity_source_hour_and_address(analyzer):
    summary = analyzer.generate_summary(days=30)
    assert summary["total"] == 11
    assert summary["by_type"] == {"Failed Login": 10, "XSS": 1}
    assert summary["by_severity"] == {"MEDIUM": 10, "HIGH": 1}
    assert summary["by_source"] == {"application": 11}
    assert summary["by_hour"]["10"] == 2
    assert summary["top_addresses"]["192.0.2.0"] == 4
    assert json.dumps(summary)
    assert analyzer.generate_summary(days=90)["total"] == 12
    assert analyzer.generate_summary(days=30, search="xss")["total"] == 1


def test_an_empty_store_has_an_empty_summary(tmp_path):
    assert Analyzer(tmp_path / "none").generate_summary()["total"] == 0
    assert Analyzer(tmp_path / "none").detect_anomalies() == []


def test_export(analyzer, tmp_path):
    path = analyzer.export_report(format="json", output_file=tmp_path / "new" / "report.json")
    assert json.loads(path.read_text())["total"] == 11
    text = analyzer.export_report("txt", tmp_path / "report.txt").read_text()
    assert "11 events" in text and "192.0.2.0" in text
    rows = analyzer.export_report("csv", tmp_path / "report.csv").read_text().splitlines()
    assert len(rows) == 12
    assert "'=cmd()" in rows[-1] and '"a,b"' in rows[-1]
    page = analyzer.export_report("html", tmp_path / "report.html", report="incidents")
    assert page.read_text().startswith("<!doctype html>")
    with pytest.raises(MLIDSError) as caught:
        analyzer.export_report("xls", tmp_path / "report.xls")
    assert caught.value.code == "E105"


def test_load_data_is_a_frame_with_times_and_details(analyzer):
    frame = analyzer.load_data(days=30)
    assert len(frame) == 11
    assert str(frame["timestamp"].dtype).startswith("datetime64")
    assert (frame["details.ip"] == "192.0.2.1").sum() == 3


def test_load_data_of_an_empty_store_is_an_empty_frame(tmp_path):
    assert len(Analyzer(tmp_path / "none").load_data(30)) == 0


@pytest.mark.parametrize("method", ["mad", "zscore", "isolation_forest"])
def test_a_burst_is_an_anomaly_and_names_its_events(tmp_path, method):
    store = EventStore(tmp_path)
    usual = [event(seconds=n * 300, correlation_id="u") for n in range(0, 200)]
    burst = [event(seconds=150 * 300 + n, id=f"burst-{n}") for n in range(80)]
    for one in usual + burst:
        store.append(one.encoded())
    store.close()
    analyzer = Analyzer(tmp_path, clock=lambda: START_NS + 200 * 300 * NS)
    found = analyzer.detect_anomalies(window_hours=24, method=method)
    assert {(one["by"], one["value"]) for one in found} == {
        ("type", "Failed Login"),
        ("ip", "192.0.2.7"),
        ("user", "admin"),
    }
    assert found[0]["observed"] == 81
    assert found[0]["method"] == method
    assert "burst-0" in found[0]["events"]
    assert found[0]["since"] == "2025-01-13T23:00:00.000000Z"  # windows begin at whole ones
    assert len(found) == 3
    assert analyzer.detect_anomalies(window_hours=2, method=method) == []


def test_names_of_attackers_are_no_queries(tmp_path):
    store = EventStore(tmp_path)
    names = ['"', "\\", "a OR b", "*", "x" * 5000, "\ud800", "(((("]
    for n in range(200):
        details = {"ip": names[n % 7], "user": names[(n + 1) % 7]}
        store.append(event(seconds=n * 300, details=details).encoded())
    store.close()
    analyzer = Analyzer(tmp_path, clock=lambda: START_NS + 200 * 300 * NS)
    assert analyzer.detect_anomalies() == []
    assert analyzer.generate_summary()["total"] == 200


@pytest.mark.parametrize("name", ["summary", "compliance", "incidents", "executive"])
def test_every_report_can_be_json_and_read(analyzer, name):
    found = analyzer.report(name, analyzer.period(30))
    assert json.loads(msgspec.json.encode(found.data))
    assert found.document.title
    assert found.document.sections


def test_what_could_not_be_read_is_told_in_the_summary(analyzer):
    with (analyzer.archive.folder / "mlids.jsonl").open("ab") as file:
        file.write(b"garbage\n{torn")
    (note,) = [n for n in analyzer.generate_summary()["left_out"] if "no event" in n]
    assert "mlids.jsonl: line 13" in note


def test_an_unknown_method_is_e105(analyzer):
    with pytest.raises(MLIDSError) as caught:
        analyzer.detect_anomalies(method="magic")
    assert caught.value.code == "E105"


def test_an_address_that_is_none_is_counted_as_its_text(tmp_path):
    store = EventStore(tmp_path / "logs")
    store.append(event(details={"ip": ["192.0.2.1", "192.0.2.2"]}).encoded())
    store.close()
    summary = Analyzer(tmp_path / "logs", clock=lambda: START_NS + DAY * NS).generate_summary()
    assert list(summary["top_addresses"].values()) == [1]


def test_names_that_cannot_be_asked_for_keep_nobody_from_asking(tmp_path):
    store = EventStore(tmp_path)
    for n in range(300):
        details = {"ip": "192.0.2.7/33" if n % 2 else "192.0.2.7", "user": '"' * 60 + f"{n}"}
        store.append(event("x" * 20_000 if n == 7 else "XSS", seconds=n, details=details).encoded())
    store.close()
    analyzer = Analyzer(tmp_path, clock=lambda: START_NS + DAY * NS)
    for method in ("mad", "zscore"):
        assert isinstance(analyzer.detect_anomalies(24, method), list)


def test_times_that_somebody_wrote_otherwise_are_times(tmp_path):
    store = EventStore(tmp_path)
    store.append(event(timestamp="2025-W03-1T10:30:45,5+01:00:30").encoded())
    store.close()
    frame = Analyzer(tmp_path, clock=lambda: START_NS + DAY * NS).load_data(30)
    assert str(frame["timestamp"][0]) == "2025-01-13 09:30:15.500000+00:00"


def test_a_log_that_may_not_be_read_whole_is_judged_and_not_verified(analyzer):
    seals = analyzer.seals / "seals.jsonl"
    seals.unlink()
    seals.mkdir()
    with pytest.raises(MLIDSError) as caught:
        analyzer.verify()
    assert caught.value.code == "E004"
    report = analyzer.report("compliance", analyzer.period(30))
    assert report.data["verification"] is None
    assert "was not verified" in json.dumps(report.data)
