from __future__ import annotations

from mlids.events import format_time
from mlids.inputgaps import gaps, metadata
from mlids.testing import event
from tests.test_coverage import DAY, at, gap


def told(*events):
    return gaps(events, at(10 * DAY))


def test_gaps_by_input():
    silent = {
        "input": "/var/log/a",
        "what": "silent",
        "amount": 600.0,
        "from": format_time(at(100)),
    }
    found = told(
        gap(700, **silent),
        gap(1000, **{**silent, "what": "resumed", "amount": 900.0}),
        gap(9 * DAY, **{**silent, "input": "/var/log/b", "from": format_time(at(9 * DAY))}),
        gap(2000, input="eth0", what="dropped", amount=17),
        gap(3000, input="eth0", what="dropped", amount=170),
        gap(4000, code="E102"),
        gap(5000, input=["odd"], what=None, amount="many"),
    )
    by = {(one.input, one.what): one for one in found}
    assert by["/var/log/a", "silent"].silent_s == 900
    assert by["/var/log/a", "silent"].count == 1
    assert by["/var/log/b", "silent"].silent_s == DAY
    dropped = by["eth0", "dropped"]
    assert (dropped.count, dropped.amount, len(dropped.events)) == (2, 170, 2)
    assert by["login/sshd", "E102"].count == 1
    assert by["['odd']", "failed"].amount == 0


def test_inputs_whose_names_others_choose_are_capped():
    found = told(*(gap(n, input=f"log-{n}", what="dropped") for n in range(1500)))
    assert len(found) == 1001
    assert found[-1].count == 500


def test_metadata_of_any_event():
    assert metadata(gap(1, code="E101")) == {"code": "E101"}
    assert metadata(event()) == metadata(event(details={"metadata": 7})) == {}
