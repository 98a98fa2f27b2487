from mlids.backtest.progress import Progress


def test_it_counts_what_passes_and_asks_for_files():
    progress = Progress()
    progress.begin("stored events", 3)
    assert list(progress.counted("ab")) == ["a", "b"]
    assert (progress.phase, progress()) == ("stored events", (2, 3))
    progress.begin("files", files=lambda: (10, 20))
    assert (progress.phase, progress()) == ("files", (10, 20))
