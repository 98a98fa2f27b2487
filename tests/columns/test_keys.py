import pytest

from mlids.columns.keys import CELL_HOUR, key, window
from mlids.errors import MLIDSError
from mlids.testing import event

EVENT = event(details={"ip": "10.0.0.1", "ports": [1, 2]}, tags=["a", "b"])  # 2025-01-13T10:30:45


@pytest.mark.parametrize(
    ("name", "values"),
    [
        *(("hour", ["10"]), ("day", ["2025-01-13"]), ("weekday", ["0"]), ("ip", ["10.0.0.1"])),
        *(("tags", ["a", "b"]), ("details.ports", ["1", "2"]), ("severity", ["MEDIUM"])),
        ("user", []),
    ],
)
def test_values_of_an_event(name, values):
    assert list(key(name).of(EVENT)) == values


def test_windows_begin_at_multiples_of_their_length():
    (start,) = window(300).of(EVENT)
    assert start == EVENT.time_ns // (300 * 10**9) * 300 * 10**9
    assert list(CELL_HOUR.of(EVENT)) == [EVENT.time_ns // 10**9 // 3600 * 3600]


def test_what_has_no_column_has_no_sql():
    assert key("details.ports").sql == key("confidence").sql == key("timestamp").sql == ""
    assert "unnest" in key("techniques").sql


def test_unknown_names_tell_the_nearest():
    with pytest.raises(MLIDSError) as caught:
        key("sevrity")
    assert "severity" in caught.value.hint
