import click

from mlids.batches import InputStatus
from mlids.cli import live
from mlids.status import InputRate, Status
from mlids.testing import event


def status(**options):
    usual = {
        "pid": 7,
        "version": "0.1.0",
        "started": "",
        "uptime": 3700.0,
        "ready": True,
        "logs_dir": "logs",
        "events_total": 12,
        "active_alerts": 1,
        "by_severity": {"HIGH": 2, "LOW": 10},
        "inputs": [
            InputRate(
                "network", InputStatus("eth0", "interface", counts={"read": 5000, "dropped": 2}), 9
            ),
            InputRate("logs", InputStatus("/x\x1b[2J", "log", "waiting", "not there yet")),
        ],
        "handlers": [
            {
                "name": "tcp",
                "kind": "sink",
                "state": "retrying",
                "queued": 3,
                "spooled": 4,
                "sent": 5,
                "last_error": "E104: refused",
            }
        ],
        "drops": {"network dropped": 2},
        "problems": ["E104: tcp: refused"],
        "recent": [dict(event())],
    }
    return Status(**{**usual, **options})


def test_the_overview_has_everything_and_obeys_no_attacker():
    text = click.unstyle("\n".join(live.overview(status())))
    for part in (
        "up 1h 1m",
        "12 events",
        "1 active alert ",
        "HIGH 2",
        "eth0",
        "5,000 packets",
        "2 dropped",
        "not there yet",
        "tcp",
        "7 waiting",
        "E104: refused",
        "network dropped: 2",
        "Failed Login",
    ):
        assert part in text
    assert "\x1b" not in text


def test_durations():
    assert [live.duration(s) for s in (0, 59, 60, 3600, 90061)] == [
        "0s",
        "59s",
        "1m",
        "1h",
        "1d 1h",
    ]
