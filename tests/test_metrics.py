import threading

from mlids.metrics import Metrics, Rate


def test_counters_and_gauges():
    metrics = Metrics()
    metrics.add("a")
    metrics.add("a", 4)
    metrics.count("a", "c")
    metrics.set("b", 2.5)
    assert metrics.snapshot() == {"a": 6, "b": 2.5, "c": 1}
    assert metrics.get("none") == 0


def test_no_count_is_lost_between_threads():
    metrics = Metrics()
    threads = [
        threading.Thread(target=lambda: [metrics.add("n") for _ in range(5000)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metrics.get("n") == 20000


def test_rate_is_the_change_over_the_window():
    rate = Rate(window=10)
    assert rate.update(0, now=100) == 0
    assert rate.update(50, now=105) == 10
    assert rate.update(50, now=130) == 0


def test_gauges_of_what_is_gone_go_too():
    metrics = Metrics()
    metrics.add("events")
    metrics.replace("inputs{", {"inputs{a}": 1, "inputs{b}": 2})
    metrics.replace("inputs{", {"inputs{b}": 3})
    assert metrics.snapshot() == {"events": 1, "inputs{b}": 3}
