import threading
import time

import pytest

from mlids import MLIDS, MLIDSError, create_default_config
from mlids.batches import ChangeBatch, Detector
from mlids.events import Event, EventFilter, EventHandler, EventSink
from mlids.testing import START_NS


class Kept(EventHandler):
    def __init__(self):
        self.events = []

    def handle_event(self, event):
        self.events.append(event)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "watched").mkdir()
    return tmp_path


@pytest.fixture
def make(folder):
    """Apps that watch one folder; all are stopped at the end."""
    made = []

    def app(text="", **options):
        path = folder / "config.yaml"
        path.write_text(
            f"logging: {{logs_dir: '{folder}/logs'}}\n"
            f"monitoring: {{interface: none, app_log: none, directory: '{folder}/watched'}}\n"
            f"monitors: {{files: {{settle_seconds: 0.05}}}}\n"
            f"notifiers: {{console: {{enabled: false}}}}\n{text}"
        )
        made.append(MLIDS(config_file=path, **options))
        return made[-1]

    yield app
    for one in made:
        one.stop()


def until(ready, seconds=10):
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def learned(app):
    until(lambda: app.status().inputs and app.lanes[0].monitor._known is not None)
    time.sleep(0.1)


def types(app):
    return [event.type for event in app.get_events()]


def test_it_watches_stores_and_tells_from_start_to_stop(make, folder):
    app, kept = make(), Kept()
    app.register_handler(kept)
    app.start()
    learned(app)
    (folder / "watched" / "new").write_text("x")
    until(lambda: "File Created" in types(app))
    app.stop()
    assert types(app) == ["Service Started", "File Created", "Service Stopped"]
    assert [event.type for event in kept.events] == types(app)
    assert not app.running
    app.stop()


def test_a_missing_configuration_is_e001_and_can_be_mended(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = MLIDS(config_file="config.yaml")
    with pytest.raises(MLIDSError) as caught:
        app.start()
    assert caught.value.code == "E001"
    create_default_config()
    text = (tmp_path / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(text.replace("interface: auto", "interface: none"))
    app.start()
    assert app.running
    app.stop()


def test_a_broken_configuration_is_e002(make, folder):
    app = make()
    (folder / "config.yaml").write_text("sniks: {}\n")
    broken = MLIDS(config_file=folder / "config.yaml")
    with pytest.raises(MLIDSError) as caught:
        broken.start()
    assert caught.value.code == "E002"
    assert "sniks" in caught.value.message
    assert not app.running


def test_an_interface_that_does_not_exist_is_e003_and_can_be_changed(make):
    app = make()
    app.set_interface("no-such-if0")
    with pytest.raises(MLIDSError) as caught:
        app.start()
    assert caught.value.code == "E003"
    app.set_interface("none")
    app._interfaces = None
    app.start()
    assert app.running


def test_where_it_may_run_without_the_interface_it_is_told(make):
    told = []
    app = make(strict=False, tell=told.append)
    app.set_interface("no-such-if0")
    app.start()
    assert [error.code for error in told] == ["E003"]
    assert [lane.name for lane in app.lanes] == ["files"]


def test_nothing_to_watch_is_e010(folder):
    path = folder / "config.yaml"
    path.write_text(f"logging: {{logs_dir: '{folder}/logs'}}\nmonitoring: {{enabled: false}}\n")
    app = MLIDS(config_file=path)
    with pytest.raises(MLIDSError) as caught:
        app.start()
    assert caught.value.code == "E010"
    assert not app.running


def test_a_second_instance_is_refused_and_the_first_runs_on(make, folder):
    first = make()
    first.start()
    second = MLIDS(config_file=folder / "config.yaml")
    with pytest.raises(MLIDSError) as caught:
        second.start()
    assert caught.value.code == "E006"
    assert first.running
    assert first.status().ready


def test_its_own_files_make_no_events(folder):
    path = folder / "config.yaml"
    path.write_text(
        f"logging: {{logs_dir: '{folder}/logs'}}\n"
        f"monitoring: {{interface: none, app_log: none, directory: '{folder}'}}\n"
        "monitors: {files: {settle_seconds: 0.05}}\nnotifiers: {console: {enabled: false}}\n"
    )
    app = MLIDS(config_file=path)
    app.start()
    time.sleep(2.5)
    app.stop()
    assert types(app) == ["Service Started", "Service Stopped"]


def test_custom_detectors_get_batches_of_their_kind(make):
    class Beat(Detector[ChangeBatch]):
        """Tells once that batches come."""

        def __init__(self):
            super().__init__()
            self.told = False

        def inspect(self, batch):
            if not self.told:
                self.told = True
                yield Event.new("Beat", "LOW", "host", {}, time_ns=batch.now, rule="beat")

    app = make()
    app.register_detector(Beat())
    app.start()
    until(lambda: "Beat" in types(app))


def test_a_custom_sink_is_offered_again_what_it_refused(make):
    taken, refusals = [], [3]

    class Sink(EventSink):
        retry_seconds = 0.05

        def send_event(self, event):
            if refusals[0]:
                refusals[0] -= 1
                raise OSError("not now")
            taken.append(event.type)

    app = make(strict=False, tell=lambda error: None)
    app.add_sink(Sink())
    app.start()
    until(lambda: "Service Started" in taken)
    app.add_sink(Sink())  # while it runs
    app.stop()
    assert taken.count("Service Started") == 1


def test_events_are_filtered_by_every_filter(make):
    app = make()
    app.start()
    app.logger.log_event("XSS", severity="HIGH")
    app.logger.log_event("XSS", severity="LOW")
    app.logger.log_event("Port Scan", severity="HIGH")
    high, xss = EventFilter(severity=["HIGH", "CRITICAL"]), EventFilter(event_types=["XSS"])
    assert len(app.get_events(filters=[high, xss])) == 1
    assert len(app.get_events(filters=[high])) == 2
    assert len(app.get_events(limit=2)) == 2
    assert len(app.get_events(hours=1)) == 4


def test_reload_takes_the_new_settings_and_keeps_the_old_when_they_are_bad(make, folder):
    app = make()
    app.start()
    path = folder / "config.yaml"
    good = path.read_text()
    path.write_text("thresholds: {port_scan_threshold: many}\n")
    with pytest.raises(MLIDSError):
        app.reload()
    assert app.lanes[0].monitor.tree.roots == [str(folder / "watched")]
    (folder / "other").mkdir()
    path.write_text(good.replace("/watched", "/other"))
    app.reload()
    learned(app)
    (folder / "other" / "new").write_text("x")
    until(lambda: "File Created" in types(app))
    assert types(app)[:2] == ["Service Started", "Configuration Changed"]


@pytest.mark.parametrize("code", ["E101", "E203"])
def test_trouble_with_an_input_is_a_monitoring_gap(make, code):
    app = make()
    app.start()
    app.tell(MLIDSError(code, "eth0 went down"))
    (gap,) = app.get_events(filters=[EventFilter(event_types=["Monitoring Gap"])])
    assert gap.details["metadata"]["code"] == code
    assert app.status().problems == [f"{code}: eth0 went down"]


def test_stop_ends_within_its_time_though_a_sink_hangs(make):
    release = threading.Event()

    class Hangs(EventSink):
        def send_event(self, event):
            release.wait(30)

    app = make()
    app.add_sink(Hangs())
    app.start()
    began = time.monotonic()
    app.stop()
    release.set()
    assert time.monotonic() - began < 5


def test_wait_returns_when_time_is_up(make):
    app = make()
    app.start()
    assert not app.wait(0.05)
    assert START_NS > 0


def test_a_reload_without_its_secret_leaves_everything_running(make, folder):
    app = make()
    app.start()
    learned(app)
    lanes = app.lanes
    text = app.config.path.read_text()
    splunk = "integrations: {splunk: {enabled: true, token: '${NO_SUCH_SECRET}'}}\n"
    app.config.path.write_text(text + splunk)
    with pytest.raises(MLIDSError, match="NO_SUCH_SECRET"):
        app.reload()
    assert app.lanes is lanes
    (folder / "watched" / "page").write_text("x")
    until(lambda: "File Created" in types(app))


def test_settings_that_a_plugin_refuses_leave_everything_running(make, folder):
    app = make()
    app.start()
    learned(app)
    lanes, old = app.lanes, (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(
        old + "detectors: {port_scan: {ignore_sources: [nonsense]}}\n"
    )
    with pytest.raises(MLIDSError, match="nonsense") as caught:
        app.reload()
    assert caught.value.code == "E002"
    assert app.lanes is lanes
    assert app.config.get("detectors.port_scan.ignore_sources") == []
    (folder / "watched" / "new").write_text("x")
    until(lambda: "File Created" in types(app))
    with pytest.raises(MLIDSError, match="nonsense"):
        MLIDS(config_file=folder / "config.yaml").start()


def test_uptime_counts_while_it_runs(make):
    app = make()
    assert app.stats()["uptime"] == 0
    assert app.status().uptime == 0
    app.start()
    assert 0 < app.status().uptime < 60
    app.stop()
    assert app.stats()["uptime"] == 0


def test_home_networks_without_this_machine_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr("mlids.capture.interfaces.own_addresses", lambda: ["203.0.113.5"])
    warnings = {}
    for home in (["10.0.0.0/8"], ["203.0.113.0/24"], None):
        path = tmp_path / "config.yaml"
        text = f"network: {{home_networks: {home}}}\n" if home else ""
        path.write_text(
            text + "monitoring: {interface: none, app_log: none, directory: " + str(tmp_path)
            + "}\nlogging: {logs_dir: " + str(tmp_path / "logs") + "}\n"
        )  # fmt: skip
        ids = MLIDS(path)
        ids.start()
        ids.stop()
        warnings[str(home)] = ids.config.warnings
    assert warnings.pop("['10.0.0.0/8']") == [
        "network.home_networks: this machine's address 203.0.113.5 is in none of them"
    ]
    assert set(map(tuple, warnings.values())) == {()}
