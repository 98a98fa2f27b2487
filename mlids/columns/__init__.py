"""Columns beside the sealed segments of the event store, so that questions are answered quickly.

::

    rows         which columns there are, and which events are ordinary
    companions   the files of a segment: what they say, and whether they are valid
    building     how they are made; in a process of its own (`python -m mlids.columns`)
    builders     who starts that process
    asking       questions in SQL
    plain        the same questions, answered from the JSON lines

A sensor never loads DuckDB, and who asks needs its memory for the answer: builders are processes.
"""

from mlids.columns.builders import behind

__all__ = ["behind"]
