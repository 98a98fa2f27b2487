from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mlids.layouts import moments
from mlids.testing import START_NS, lines


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("[2023-02-12 12:16:05.729 +01:00] [INF]", "2023-02-12 11:16:05.729"),
        ("2022/03/01 12:57:58 x", "2022-03-01 12:57:58"),
        ("[GIN] 2022/02/07 - 10:49:33 | 401", "2022-02-07 10:49:33"),
        ("01/25/22 16:08:02.393003 web", "2022-01-25 16:08:02.393003"),
        ("[Nest] 7  - 08/02/2023, 7:32:47 PM    WARN", "2023-08-02 19:32:47"),
        ("08/02/2023, 12:32:47 AM", "2023-08-02 00:32:47"),
        ("1690466804.25 [27/Jul/2023 16:06:44]", "2023-07-27 14:06:44.25"),
        ("[Wed Jul 05 09:19:24.428126 2023] [x]", "2023-07-05 09:19:24.428126"),
        ("19-Oct-2022 05:34:02.425 client", "2022-10-19 05:34:02.425"),
        ("[27/Jul/2023:16:06:44 +0200]", "2023-07-27 14:06:44"),
        ("WARN: [Jan  2 05:05:24.5] x", "2025-01-02 05:05:24.5"),
        ("WARN: [Feb  2 05:05:24] x", "2024-02-02 05:05:24"),
        ("Mon Oct 11 09:01:35 CEST 2021|CAS", "2021-10-11 09:01:35"),
        ("(W) 2024-11-26T13:37:02 - x", "2024-11-26 13:37:02"),
        ("2023-03-12 11:17:28.425 UTC [5]", "2023-03-12 11:17:28.425"),
        ("2023-03-12T11:17:28Z", "2023-03-12 11:17:28"),
    ],
)
def test_stamps(text, when):
    expected = datetime.fromisoformat(when).replace(tzinfo=UTC)
    found = moments.moment(text.encode(), "UTC", START_NS)
    assert found == round(expected.timestamp() * 1e6) * 1000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no time",
        "2023-13-12 11:17:28",
        "2023-02-30 11:17:28",
        "99:99:99",
        "x" * 200 + "2023-03-12 11:17:28",
        "Jan 45 10:00:00",
        "2023-03-12 11:17:28 +99:99",
    ],
)
def test_what_is_no_stamp(text):
    assert moments.moment(text.encode(), "UTC", START_NS) == 0


def test_zones_of_stamps_without_one():
    assert moments.moment(b"2023-07-12 12:00:00", "Europe/Berlin") == moments.moment(
        b"2023-07-12 10:00:00Z", "UTC"
    )


def test_whole_batches():
    batch = lines("2023-03-12T11:17:28Z a", "b", "2023-03-12T11:17:29Z c")
    assert (moments.times(batch, "UTC") // 10**9).tolist() == [1678619848, 0, 1678619849]
    assert [moments.stamped(batch.line(row)) for row in range(3)] == [True, False, True]
