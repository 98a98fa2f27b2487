import threading

from mlids.store import EventStore
from mlids.tail import Tail
from mlids.testing import event


def put(store, *numbers):
    for n in numbers:
        store.append(event(seconds=n, details={"user": str(n)}).stamped().encoded())
    store.flush()


def users(events):
    return [int(one.details["user"]) for one in events]


def now(tail):
    return users(tail.follow(lambda: True))


def test_only_what_is_new_comes(tmp_path):
    store = EventStore(tmp_path / "logs")
    put(store, 1, 2)
    tail = Tail(tmp_path / "logs")
    assert now(tail) == []
    put(store, 3)
    assert now(tail) == [3]
    assert now(tail) == []
    store.close()


def test_it_can_begin_before_there_is_a_log(tmp_path):
    tail = Tail(tmp_path / "logs")
    assert now(tail) == []
    store = EventStore(tmp_path / "logs")
    put(store, 1)
    assert now(tail) == [1]
    store.close()


def test_nothing_is_lost_or_repeated_over_many_rotations(tmp_path):
    store = EventStore(tmp_path / "logs", max_size=4096, compression="zstd")
    put(store, 0)
    tail = Tail(tmp_path / "logs")
    writer = threading.Thread(target=lambda: [put(store, n) for n in range(1, 400)])
    writer.start()
    found = users(tail.follow(lambda: not writer.is_alive()))
    writer.join()
    found += now(tail)
    store.close()
    assert found == list(range(1, 400))


def test_a_line_that_is_being_written_is_waited_for(tmp_path):
    store = EventStore(tmp_path / "logs")
    put(store, 1)
    store.close()
    tail = Tail(tmp_path / "logs")
    line = event(details={"user": "2"}).stamped().encoded() + b"\n"
    path = tmp_path / "logs" / "mlids.jsonl"
    for part in (line[:100], line[100:]):
        with path.open("ab") as file:
            file.write(part)
        found = now(tail)
    assert found == [2]


def test_lines_that_are_no_events_are_passed_over(tmp_path):
    store = EventStore(tmp_path / "logs")
    put(store, 1)
    tail = Tail(tmp_path / "logs")
    with (tmp_path / "logs" / "mlids.jsonl").open("ab") as file:
        file.write(b"garbage \xff\n[]\n")
    put(store, 2)
    assert now(tail) == [2]
    store.close()
