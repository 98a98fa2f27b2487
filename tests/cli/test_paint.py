import click

from mlids.cli.paint import painted

TEXT = """Summary
=======
  HIGH      192.0.2.1  a HIGH word
  PASS      x
"""


def test_cells_and_titles_are_painted_and_nothing_is_lost():
    shown = painted(TEXT)
    assert click.unstyle(shown) == TEXT
    assert click.style("Summary", bold=True) in shown
    assert click.style("HIGH", fg="red") in shown
    assert click.style("PASS", fg="green") in shown


def test_words_in_texts_stay_plain():
    assert painted("  a HIGH word") == "  a HIGH word"
    assert painted("LOWER  x") == "LOWER  x"
