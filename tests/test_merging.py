import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlids.formats.syslog import Syslog
from mlids.merging import GRAIN_NS, merged
from mlids.testing import START_NS, lines


def batches(seconds, source, size):
    """Log lines at these seconds after the start, in batches of `size`."""
    from datetime import UTC, datetime, timedelta

    start = datetime.fromtimestamp(START_NS / 1e9, UTC)
    text = [
        f"{(start + timedelta(seconds=s)).isoformat(timespec='microseconds')} host app: {source}"
        for s in seconds
    ]
    for begin in range(0, len(text), size):
        yield lines(*text[begin : begin + size], format=Syslog(), source=source)


def times(batch):
    return batch.column("time").tolist()


SECONDS = st.lists(st.integers(0, 50), max_size=20).map(sorted)


@given(st.lists(SECONDS, max_size=4), st.integers(1, 5))
def test_nothing_is_lost_and_time_goes_forward(inputs, size):
    out = list(merged(batches(one, f"log-{n}", size) for n, one in enumerate(inputs)))
    seen = [(moment, batch.source) for batch in out for moment in times(batch)]
    expected = [(START_NS + s * 10**9, f"log-{n}") for n, one in enumerate(inputs) for s in one]
    assert sorted(seen) == sorted(expected)
    moments = np.array([moment for moment, _ in seen], dtype=np.int64)
    assert not len(moments) or (np.maximum.accumulate(moments) - moments).max() <= GRAIN_NS


def test_one_input_is_passed_through_uncut():
    given_ = list(batches([1, 2, 3, 4], "log", 2))
    assert list(merged([iter(given_)])) == given_


def test_inputs_that_follow_one_another_are_not_cut():
    late, early = list(batches([100, 101], "late", 2)), list(batches([1, 2], "early", 2))
    assert list(merged([iter(late), iter(early)])) == early + late


def test_lines_without_a_format_or_a_time_keep_their_place():
    plain = [lines("a", "b", source="plain")]
    out = list(merged([iter(plain), batches([1], "log", 1)]))
    assert sorted(batch.source for batch in out) == ["log", "plain"]
