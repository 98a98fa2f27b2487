import time

from mlids.cli.progress import bar


def test_the_bar_asks_how_far_it_is_and_ends(capsys):
    asked = []

    def progress():
        asked.append(1)
        return 5, 10

    with bar("scanning", progress):
        deadline = time.monotonic() + 5
        while not asked:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    seen = len(asked)
    time.sleep(0.3)
    assert len(asked) == seen
    assert capsys.readouterr().out == ""
