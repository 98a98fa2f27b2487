from mlids import assembly
from mlids.backtest.signs import COUNTERS, Signs, evidence, is_sign, place
from mlids.logins import records
from mlids.registry import plugin
from mlids.testing import event, lines, run


def login(n, source="/var/log/auth.log", **details):
    place = {"source": source, "line": n + 1, "offset": 100 * n}
    known = {"ip": "192.0.2.7", "user": "root", "service": "sshd", "port": 22, "target": "host"}
    return event(details=known | details, seconds=n, evidence=[place])


def test_stored_logins_come_back_as_they_were_read(house):
    text = [house.line(n, "192.0.2.7", pid=n).rstrip() for n in range(4)]
    formats = assembly.formats(house.manager.settings)
    batch = lines(*text, format=formats.made("auth"), source="auth.log")
    told = run(plugin("detectors", "login")(), [batch])
    (again,) = Signs(()).batches(told)
    fields = ("time_ns", "outcome", "user", "src", "method", "service", "machine", "port")
    for old, new in zip(records.logins(batch), records.logins(again), strict=True):
        assert [getattr(old, f) for f in fields] == [getattr(new, f) for f in fields]
        assert batch.evidence(old.row) == again.evidence(new.row)


def test_each_stored_login_counts_once():
    detector = plugin("detectors", "brute_force")()
    told = run(detector, Signs(()).batches([login(n) for n in range(6)]))
    assert told[-1].details["metadata"]["attempts"] == 6


def test_each_source_is_a_batch_of_its_own_in_order():
    events = [login(0), login(1), login(2, "b"), login(3)]
    batches = list(Signs(()).batches(events))
    assert [(b.source, len(b)) for b in batches] == [
        ("/var/log/auth.log", 2),
        ("b", 1),
        ("/var/log/auth.log", 1),
    ]


def test_only_what_the_detector_of_logins_stored_is_a_sign():
    assert is_sign(login(0))
    assert not is_sign(event(rule="ingested/aws"))
    assert not is_sign(event("Brute Force", rule="login/x"))


def test_places_that_are_none_are_told_as_such():
    assert evidence(event(evidence=["x"])) == {}
    assert place(event(evidence=[{"source": 5, "line": -1, "offset": 1 << 70}])) == ("", 0, 0)


def test_the_counters_exist():
    assert all(plugin("detectors", name) for name in COUNTERS)
