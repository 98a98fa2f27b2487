from __future__ import annotations

import pytest

from mlids.cloudwatch.outcomes import Failure, Missing, Outcome, Written, worst


def failure(status: int, stream: str = "s") -> Failure:
    return Failure(stream, "E207", "why", status)


@pytest.mark.parametrize(
    ("statuses", "gaps", "status"),
    [
        ([], 0, 0),
        ([], 1, 1),
        ([75], 0, 75),
        ([75], 1, 75),
        ([1], 0, 1),
        ([1, 75], 0, 75),
        ([3, 75], 1, 3),
    ],
)
def test_the_worst_counts(statuses, gaps, status):
    outcome = Outcome("/g", "r", "f", "now", failures=[failure(one) for one in statuses])
    outcome.gaps = [Missing("s", 0, 1, "gone")] * gaps
    outcome.conclude("then")
    assert outcome.exit_status == status
    assert outcome.complete == (status == 0)


def test_it_is_put_in_order_and_summed_up():
    files = [Written("b", "b/2", 3, 9, 1, ""), Written("a", "a/1", 4, 9, 1, "")]
    gaps = [Missing("b", 0, 1, ""), Missing("a", 5, 6, ""), Missing("a", 1, 2, "")]
    outcome = Outcome("/g", "r", "f", "now", files=files, gaps=gaps)
    outcome.failures = [failure(3, "z"), failure(3, "y")]
    outcome.conclude("then")
    assert outcome.new_events == 7
    assert [one.file for one in outcome.files] == ["a/1", "b/2"]
    assert [(one.log_stream_name, one.start) for one in outcome.gaps] == [
        *(("a", 1), ("a", 5), ("b", 0)),
    ]
    assert [one.log_stream_name for one in outcome.failures] == ["y", "z"]
    assert outcome.finished_at == "then"


def test_what_somebody_must_see_to_is_worse_than_what_time_heals():
    assert [worst(statuses) for statuses in ([], [0, 0], [0, 1], [75, 1], [75, 3], [1, 2])] == [
        *(0, 0, 1, 75, 3, 3),
    ]
