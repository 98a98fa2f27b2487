import pytest

from mlids import registry
from mlids.cloudwatch import lines as module
from mlids.cloudwatch.answers import LogEvent
from mlids.cloudwatch.lines import StreamLines
from mlids.errors import MLIDSError
from mlids.lines.recognition import Formats, Ledger

NOW = 1_736_764_245_000
NS = 1_000_000
SSH = "2025-01-13T10:30:45+00:00 gate sshd[1]: Failed password for root from 192.0.2.7 port 4 ssh2"


def made(**options) -> StreamLines:
    formats = Formats(registry.names("formats"), lambda name: registry.plugin("formats", name)())
    return StreamLines("/ecs/app", formats, **options)


def event(offset, message, stream="a"):
    return LogEvent(NOW + offset, message, NOW, "", stream)


def texts(batches):
    return [batch.line(row) for batch in batches for row in range(len(batch))]


def test_a_line_is_an_event_with_its_place():
    (batch,) = made().batches([event(0, SSH), event(5, SSH)])
    assert batch.source == "cloudwatch /ecs/app/a"
    assert batch.numbers.tolist() == [1, 2]
    assert batch.format.name == "auth"
    assert batch.evidence(1) == {"source": batch.source, "line": 2, "offset": len(SSH) + 1}
    assert batch.column("program") == [b"sshd", b"sshd"]


def test_lines_and_bytes_are_numbered_on_in_each_stream():
    known = made()
    list(known.batches([event(0, "one"), event(1, "two"), event(2, "x", "b")]))
    a, b = known.batches([event(3, "three"), event(4, "y", "b")])
    assert (a.numbers.tolist(), a.base) == ([3], 8)
    assert (b.numbers.tolist(), b.base) == ([2], 2)


def test_whatever_is_in_a_message_it_is_one_line():
    messages = [
        "a\nb\r\nc\n",
        "crlf\r\n",
        "",
        "\n\n",
        "nul\x00 esc\x1b[2J",
        "\u2028 sep",
        "\udc00half",
    ]
    found = texts(made().batches(event(n, text) for n, text in enumerate(messages)))
    assert found == [
        b"a\\nb\\r\\nc",
        b"crlf",
        b"",
        b"",
        b"nul\x00 esc\x1b[2J",
        "\u2028 sep".encode(),
        b"\\udc00half",
    ]


def test_a_stream_cannot_act_by_its_name():
    (batch,) = made().batches([event(0, "x", "\x1b[2J\nroot")])
    assert batch.source == "cloudwatch /ecs/app/\\x1b[2J\\x0aroot"


def test_too_long_lines_are_left_out_and_counted():
    known = made(max_line=300)
    batches = list(
        known.batches(
            [event(0, SSH), event(1, "x" * 301), event(2, "é" * 150), event(3, "é" * 151)]
        )
    )
    assert [batch.numbers.tolist() for batch in batches] == [[1, 3]]
    assert known.ledger.counts == {"read": 4, "matched": 1, "unmatched": 1, "rejected": 2}
    assert list(known.batches([event(4, "x" * 301)])) == []
    (batch,) = known.batches([event(5, "x")])
    assert batch.numbers.tolist() == [6]


def test_a_line_without_a_time_has_that_of_its_event():
    (batch,) = made().batches([event(0, "listening"), event(1500, "Traceback"), event(2000, SSH)])
    assert batch.column("time").tolist()[:2] == [NOW * NS, (NOW + 1500) * NS]
    assert batch.take([1]).column("time").tolist() == [(NOW + 1500) * NS]
    (own,) = made().batches([event(90_000, SSH)])
    assert own.column("time").tolist() == [NOW * NS]
    assert own.written == (NOW + 90_000) * NS
    (live,) = made().batches([event(0, SSH)], clock=lambda: 77)
    assert live.written == 77


def test_streams_take_turns_so_that_time_hardly_goes_back():
    events = [event(n * 100, f"{n}", "ab"[n % 7 == 3]) for n in range(200)]
    batches = list(made().batches(events))
    assert sorted(map(int, texts(batches))) == list(range(200))
    latest = 0
    for batch in batches:
        assert batch.stamps[0] >= latest - module.GRAIN_MS * NS
        latest = max(latest, int(batch.stamps[-1]))
    alone = list(made().batches([event(n * 60_000, "x") for n in range(1000)]))
    assert len(alone) == 1


def test_batches_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "LINES", 100)
    assert [len(one) for one in made().batches(event(n, "x") for n in range(250))] == [100, 100, 50]
    monkeypatch.setattr(module, "CHARACTERS", 1000)
    batches = list(made().batches(event(n, "x" * 400) for n in range(9)))
    assert [len(one) for one in batches] == [3, 3, 3]


def test_formats_are_told_by_stream_or_chosen():
    apache = '192.0.2.7 - - [13/Jan/2025:10:30:45 +0000] "GET / HTTP/1.1" 200 5'
    both = [event(0, SSH, "sys"), event(1, apache, "web")]
    assert [batch.format.name for batch in made().batches(both)] == ["auth", "nginx"]
    chosen = made(by_path={"/ecs/app/web*": "app"})
    assert [batch.format.name for batch in chosen.batches(both)] == ["auth", "app"]
    with pytest.raises(MLIDSError, match="no log format"):
        made(chosen="nothing")


def test_streams_that_are_known_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "KEPT", 5)
    known = made(chosen="app")
    for n in range(20):
        list(known.batches([event(n, "x", f"s{n}"), event(n, "x", "steady")]))
    assert len(known._streams) == 5
    (batch,) = known.batches([event(99, "x", "steady")])
    assert batch.numbers.tolist() == [21]


def test_one_ledger_over_restarts():
    ledger = Ledger()
    for _ in range(2):
        list(made(ledger=ledger).batches([event(0, SSH)]))
    assert ledger.counts["read"] == ledger.counts["matched"] == 2
