"""Whole downloads against a server that does all that it should not: the truth comes out."""

from __future__ import annotations

import hashlib
import json
import os
import random
import time
from pathlib import Path

import msgspec
import pytest
from botocore.exceptions import ClientError

from mlids.cloudwatch import CloudWatchLogsExtractor, gathering
from mlids.cloudwatch import downloading as module
from mlids.cloudwatch.downloading import default_path
from mlids.cloudwatch.periods import formatted
from mlids.errors import MLIDSError
from tests.cloudwatch.server import Record

GROUP, STREAM = "/ecs/app", "web/1"
BEGAN = 1_760_000_000_000


def records(count: int, seed: int = 1, step: int = 700) -> list[Record]:
    """Events, some within the same ms, some alike, all with an id."""
    chance = random.Random(seed)
    times = sorted(BEGAN + chance.randrange(count * step) // 3 * 3 for _ in range(count))
    return [Record(at, f"message {n % 50} é", at + 5 + n % 3) for n, at in enumerate(times)]


def lines(found: list[Record]) -> list[str]:
    return [f"[{formatted(one.timestamp)}] {one.message}" for one in found]


@pytest.fixture
def made(server, tmp_path, monkeypatch):
    """An extractor for a server that holds the records, and the server."""
    monkeypatch.chdir(tmp_path)

    def start(held: list[Record], attempts: int = 8, **faults):
        running = server({GROUP: {STREAM: held}}, **faults)
        extractor = CloudWatchLogsExtractor(
            "us-east-1", GROUP, endpoint_url=running.url, requests_per_second=0
        )
        return extractor, running

    return start


HOSTILE = {
    "well-behaved": {},
    "small pages": {"page_events": 7},
    "small in bytes": {"page_bytes": 900},
    "empty pages": {"page_events": 50, "empty_pages": 3},
    "repeated": {"page_events": 50, "repeat": 1},
    "repeated twice": {"page_events": 50, "repeat": 2, "repeat_chance": 0.5},
    "repeated, empty": {"page_events": 50, "repeat": 1, "repeat_empty": True},
    "stuck": {"page_events": 50, "stuck_after": 3},
    "stuck, empty": {"page_events": 50, "stuck_after": 2, "repeat_empty": True},
    "in circles": {"page_events": 50, "cycle_after": 3},
    "doubled": {"page_events": 50, "double": 0.2, "double_across": 9},
    "shuffled": {"page_events": 50, "shuffle": True},
    "from outside": {"page_events": 50, "outside": 2},
    "tokens refused": {"page_events": 50, "refuse_tokens": 0.1},
    "tokens soon refused": {"page_events": 50, "refuse_tokens_after": 3},
    "broken bodies": {"page_events": 60, "break_every": 7, "kinds": ("cut", "garbage", "nothing")},
    "all at once": {
        **{"page_events": 60, "double": 0.1, "double_across": 5, "outside": 1},
        **{"repeat": 1, "repeat_chance": 0.3, "break_every": 25, "refuse_tokens": 0.03},
    },
}


@pytest.mark.parametrize("faults", HOSTILE.values(), ids=HOSTILE)
def test_the_file_is_the_truth(made, faults, monkeypatch):
    monkeypatch.setattr(gathering, "MOST_EVENTS", 180)  # several windows
    monkeypatch.setattr("mlids.cloudwatch.reading.PAUSE_S", 0.01)
    held = records(600)
    extractor, server = made(held, **faults)
    found = extractor.download(STREAM, "out.log")
    truth = lines(server.truth(GROUP, STREAM))
    assert Path("out.log").read_text().splitlines() == truth
    assert (found.total_events, found.complete, found.gaps) == (600, True, [])
    assert sorted(os.listdir()) == ["home", "out.log", "out.log.manifest"]


SLOW = {
    "throttled": {"page_events": 100, "throttle_every": 5},
    "unavailable": {"page_events": 100, "unavailable_from": 4, "unavailable": 2},
    "resets": {"page_events": 100, "break_every": 4, "kinds": ("before", "headers", "body")},
    "cut connections": {"page_events": 100, "break_every": 4, "kinds": ("short",)},
}


@pytest.mark.parametrize("faults", SLOW.values(), ids=SLOW)
def test_what_aws_refuses_for_now_is_asked_for_again(made, faults):
    held = records(600)
    extractor, server = made(held, **faults)
    extractor.download(STREAM, "out.log")
    assert Path("out.log").read_text().splitlines() == lines(server.truth(GROUP, STREAM))


@pytest.mark.parametrize("faults", [{}, {"page_events": 9}, {"page_events": 50, "empty_pages": 2}])
def test_without_ids_equal_lines_are_kept(made, faults):
    held = [Record(BEGAN + n // 5, "the same") for n in range(300)]
    extractor, server = made(held, denied=frozenset({"FilterLogEvents"}), **faults)
    found = extractor.download(STREAM, "out.log")
    assert Path("out.log").read_text().splitlines() == lines(held)
    assert (found.api, found.duplicates_dropped) == ("GetLogEvents", 0)
    asked = [call.operation for call in server.calls]
    assert asked.count("FilterLogEvents") == 1  # the denial is remembered
    assert extractor.download(STREAM, "again.log").total_events == 300
    assert [call.operation for call in server.calls].count("FilterLogEvents") == 1


def test_both_calls_give_the_same_file(made):
    held = records(400)
    one, _ = made(held, page_events=30)
    other, _ = made(held, page_events=30, denied=frozenset({"FilterLogEvents"}))
    one.download(STREAM, "one.log")
    other.download(STREAM, "other.log")
    assert Path("one.log").read_text() == Path("other.log").read_text()


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_a_finished_period_fetched_again_is_the_same_to_the_byte(made, form, monkeypatch):
    held = records(500)
    plain, _server = made(held, page_events=40)
    wild, _ = made(held, page_events=33, shuffle=True, double=0.3, empty_pages=2)
    monkeypatch.setattr(module, "exported_at", lambda: "2026-01-01T00:00:00")
    one = plain.download(STREAM, "a/x", end_time="2025-12-31", form=form)
    monkeypatch.setattr(gathering, "MOST_EVENTS", 90)
    wild.download(STREAM, "b/x", end_time="2025-12-31", form=form)
    assert Path("a/x").read_bytes() == Path("b/x").read_bytes()
    assert one.settled


def test_the_document_says_what_it_holds(made):
    odd = [
        '"',
        "\\",
        "\0",
        "\x1b[31m",
        "\u2028",
        "</script>",
        "a\nb\r\n",
        "\ud7ff😀",
        "",
        "x" * 70_000,
    ]
    held = [Record(BEGAN + n, text) for n, text in enumerate(odd)]
    extractor, _ = made(held)
    path = extractor.download_log_json(STREAM)
    assert path == str(default_path(STREAM, "json"))
    document = json.loads(Path(path).read_text())
    assert list(document) == [
        *("logGroupName", "logStreamName", "exportedAt", "totalEvents", "events"),
    ]
    assert (document["logGroupName"], document["logStreamName"]) == (GROUP, STREAM)
    assert document["totalEvents"] == len(odd)
    assert [one["message"] for one in document["events"]] == odd
    assert document["events"][0] == {
        "timestamp": BEGAN,
        "timestampFormatted": "2025-10-09 08:53:20",
        "message": '"',
    }
    time.strptime(document["exportedAt"], "%Y-%m-%dT%H:%M:%S")


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_nothing_is_a_file_as_well(made, form):
    extractor, _ = made([Record(BEGAN, "x")])
    found = extractor.download(STREAM, "none", "2020-01-01", "2020-01-02", form)
    content = Path("none").read_text()
    assert (found.total_events, found.first_event_timestamp) == (0, None)
    if form == "json":
        assert json.loads(content)["events"] == []
    else:
        assert content == ""


def test_text_that_is_none_is_made_readable(made):
    held = [Record(BEGAN, b"bad \xff bytes"), Record(BEGAN + 1, "half \ud800 a pair")]
    extractor, _ = made(held)
    path = extractor.download_log_json(STREAM)
    messages = [one["message"] for one in json.loads(Path(path).read_text())["events"]]
    assert messages == ["bad � bytes", "half � a pair"]


def test_a_message_cannot_forge_a_line(made):
    held = [Record(BEGAN, "first\n[2025-01-01 00:00:00] forged\r\n"), Record(BEGAN + 1, "last")]
    extractor, _ = made(held)
    text = Path(extractor.download_log(STREAM)).read_text()
    assert text.split("\n") == [
        "[2025-10-09 08:53:20] first",
        "\t[2025-01-01 00:00:00] forged",
        "[2025-10-09 08:53:20] last",
        "",
    ]


def test_the_period_has_both_its_ends(made):
    held = [Record(BEGAN + n * 1000, str(n)) for n in range(10)]
    extractor, _ = made(held)
    extractor.download(STREAM, "out", BEGAN + 2000, BEGAN + 5000)
    assert [line[-1] for line in Path("out").read_text().splitlines()] == list("2345")


def test_an_unknown_stream_leaves_nothing(made):
    extractor, _ = made(records(1))
    with pytest.raises(extractor.client.exceptions.ResourceNotFoundException):
        extractor.download_log("nobody")
    assert not os.path.exists("logs")


def test_a_wrong_form_or_period_is_refused(made):
    extractor, server = made(records(1))
    with pytest.raises(ValueError, match="xml"):
        extractor.download(STREAM, "x", form="xml")
    with pytest.raises(ValueError, match="ends before"):
        extractor.download(STREAM, "x", 5, 4)
    assert server.calls == []


class Cut(Exception):
    pass


def cut_after(extractor, pages: int):
    """Let the reader fail for good after so many pages."""
    real, left = extractor.reader.page, [pages]

    def page(*asked):
        left[0] -= 1
        if left[0] < 0:
            raise Cut
        return real(*asked)

    extractor.reader.page = page


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_an_interrupted_one_goes_on_where_it_stopped(made, form, monkeypatch):
    monkeypatch.setattr(gathering, "MOST_EVENTS", 100)
    monkeypatch.setattr(module, "exported_at", lambda: "2026-01-01T00:00:00")
    held = records(1000)
    extractor, _server = made(held, page_events=50)
    cut_after(extractor, 13)
    with pytest.raises(Cut):
        extractor.download(STREAM, "out", form=form)
    assert sorted(os.listdir()) == ["home", "out.part", "out.part.manifest"]

    second, _ = made(held, page_events=50)
    cut_after(second, 4)
    second.access = extractor.access
    with pytest.raises(Cut):
        second.download(STREAM, "out", form=form)

    third, other = made(held, page_events=50)
    third.download(STREAM, "out", form=form)
    assert len([c for c in other.calls if c.operation == "FilterLogEvents"]) < 8  # of 20
    extractor.reader.page = type(extractor.reader).page.__get__(extractor.reader)
    extractor.download(STREAM, "whole", form=form)
    assert Path("out").read_bytes() == Path("whole").read_bytes()
    assert sorted(os.listdir()) == ["home", "out", "out.manifest", "whole", "whole.manifest"]


@pytest.mark.parametrize("damage", ["cut", "changed", "more", "no progress", "garbled progress"])
def test_a_damaged_part_is_not_trusted(made, damage, monkeypatch):
    monkeypatch.setattr(gathering, "MOST_EVENTS", 100)
    held = records(600)
    extractor, server = made(held, page_events=50)
    cut_after(extractor, 8)
    with pytest.raises(Cut):
        extractor.download(STREAM, "out")
    part = Path("out.part").read_bytes()
    damaged = {"cut": part[:-30], "changed": b"X" + part[1:], "more": part + b"torn li"}
    Path("out.part").write_bytes(damaged.get(damage, part))
    if damage == "no progress":
        os.unlink("out.part.manifest")
    if damage == "garbled progress":
        Path("out.part.manifest").write_text("{")
    made(held)[0].download(STREAM, "out")
    assert Path("out").read_text().splitlines() == lines(server.truth(GROUP, STREAM))


def test_what_was_read_too_soon_is_read_again(made, monkeypatch):
    monkeypatch.setattr(gathering, "MOST_EVENTS", 10)
    now = time.time_ns() // 10**6
    held = [Record(now - 3_600_000 + n * 60_000, str(n)) for n in range(55)]
    extractor, server = made(held, page_events=5)
    cut_after(extractor, 10)  # all but what is of the last minutes
    with pytest.raises(Cut):
        extractor.download(STREAM, "out")
    server.add(GROUP, STREAM, Record(now - 11 * 60_000, "late"))
    del extractor.reader.page
    extractor.download(STREAM, "out")
    assert Path("out").read_text().splitlines() == lines(server.truth(GROUP, STREAM))


def test_another_period_is_another_download(made, monkeypatch):
    monkeypatch.setattr(gathering, "MOST_EVENTS", 100)
    held = records(600)
    extractor, server = made(held, page_events=50)
    cut_after(extractor, 8)
    with pytest.raises(Cut):
        extractor.download(STREAM, "out")
    del extractor.reader.page
    extractor.download(STREAM, "out", BEGAN + 100_000)
    assert Path("out").read_text().splitlines() == lines(
        [one for one in server.truth(GROUP, STREAM) if one.timestamp >= BEGAN + 100_000]
    )


def test_gone_by_retention_is_a_gap(made, monkeypatch):
    extractor, _ = made(records(10))
    monkeypatch.setattr(type(extractor), "get_log_group_info", lambda self: {"retentionInDays": 3})
    found = extractor.download(STREAM, "out", "2025-01-01", "2025-12-31")
    (gap,) = found.gaps
    assert not found.complete
    assert gap.reason == "the group keeps its events for 3 days only"
    assert extractor.download(STREAM, "all").complete  # all that is there was asked for


def test_the_manifest_tells_what_was_read(made, monkeypatch):
    monkeypatch.setattr(gathering, "MOST_EVENTS", 100)
    held = records(300)
    extractor, _ = made(held, page_events=60, double=0.1)
    found = extractor.download(STREAM, "out", form="jsonl")
    kept = msgspec.json.decode(Path("out.manifest").read_bytes())
    assert kept["file"] == "out"
    assert kept["totalEvents"] == 300 == sum(one["events"] for one in kept["windows"])
    assert kept["duplicatesDropped"] == found.duplicates_dropped > 0
    assert kept["firstEventTimestamp"] == held[0].timestamp
    assert kept["lastEventTimestamp"] == held[-1].timestamp
    assert kept["bytes"] == os.path.getsize("out")
    assert kept["about"]["logGroupName"] == GROUP
    assert kept["sha256"] == hashlib.sha256(Path("out").read_bytes()).hexdigest()
    assert len(kept["windows"]) > 2


def test_two_at_once_do_not_write_one_file(made):
    extractor, server = made(records(50), page_events=10)
    seen: list[MLIDSError] = []
    real = extractor.reader.page

    def page(*asked):
        if not seen:
            with pytest.raises(MLIDSError) as refused:
                made(records(50))[0].download(STREAM, "out")
            seen.append(refused.value)
        return real(*asked)

    extractor.reader.page = page
    extractor.download(STREAM, "out")
    assert seen[0].code == "E210"
    assert Path("out").read_text().splitlines() == lines(server.truth(GROUP, STREAM))


def test_a_link_in_the_place_of_the_part_is_not_followed(made, tmp_path):
    extractor, _ = made(records(5))
    (tmp_path / "victim").write_text("mine")
    os.symlink(tmp_path / "victim", "out.part")
    with pytest.raises(OSError, match=r"out\.part"):
        extractor.download(STREAM, "out")
    assert (tmp_path / "victim").read_text() == "mine"


def test_a_denied_listing_does_not_hinder_it(made):
    extractor, _server = made(records(5), denied=frozenset({"DescribeLogStreams"}))
    extractor.download(STREAM, "out")
    assert len(Path("out").read_text().splitlines()) == 5


def test_errors_reach_the_caller_as_they_are(made):
    extractor, _ = made(records(5), denied=frozenset({"FilterLogEvents", "GetLogEvents"}))
    with pytest.raises(ClientError) as denied:
        extractor.download(STREAM, "out")
    assert denied.value.operation_name == "FilterLogEvents"
    assert not os.path.exists("out")
