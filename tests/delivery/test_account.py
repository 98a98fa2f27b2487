"""What a delivery counts and tells."""

from __future__ import annotations

from mlids.delivery.account import Account, DeliveryStatus
from mlids.delivery.backlog import Backlog
from mlids.errors import MLIDSError
from mlids.metrics import Metrics
from mlids.testing import event


def account(told: list[MLIDSError], capacity: int = 10) -> tuple[Account, Backlog, Metrics]:
    backlog, metrics = Backlog(capacity), Metrics()
    return Account(DeliveryStatus("tcp", "sink"), backlog, metrics, told.append), backlog, metrics


def test_each_kind_of_trouble_is_told_once_until_it_is_settled() -> None:
    told: list[MLIDSError] = []
    kept, _, _ = account(told)
    for _ in range(1000):
        kept.trouble("E104", MLIDSError("E104", "refused"))
    kept.trouble("rejected", MLIDSError("E104", "three rejected"))
    kept.settled()
    kept.trouble("rejected", MLIDSError("E104", "one more rejected"))
    kept.trouble("E104", MLIDSError("E104", "refused again"))
    assert [error.message for error in told] == [
        "tcp: refused",
        "tcp: three rejected",
        "tcp: refused again",
    ]
    assert kept.now().last_error == "E104: refused again"


def test_drops_are_counted_and_shown_in_the_gauges() -> None:
    told: list[MLIDSError] = []
    kept, backlog, metrics = account(told, capacity=2)
    for _ in range(5):
        backlog.put(event())
        kept.tell_drops()
    kept.report()
    assert (kept.now().queued, kept.now().dropped) == (2, 3)
    assert len(told) == 1
    assert metrics.get("delivery_dropped{handler=tcp}") == 3
    assert metrics.get("delivery_queued{handler=tcp}") == 2
