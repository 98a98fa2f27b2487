"""Questions in SQL to the columns of segments. DuckDB is loaded with the first one."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlids.columns import companions
from mlids.columns.questions import Question

if TYPE_CHECKING:
    import duckdb

MEMORY = "384MB"
_FETCHED = 2048  # rows at once


class UnansweredError(Exception):
    """The columns gave no answer; the JSON lines will."""


class Columns:
    """What the columns of some segments say. Everything raises `UnansweredError`."""

    @cached_property
    def available(self) -> bool:
        """True where DuckDB is installed."""
        return importlib.util.find_spec("duckdb") is not None

    def rows(
        self, paths: Sequence[Path], question: Question, newest: bool = False
    ) -> Iterator[tuple[Any, ...]]:
        """Parquet file, line number, whether it is sure to be meant, and JSON of chosen rows.

        They come in the order they were written; newest: backwards, which takes a single segment.
        """
        where, order = question.condition, "ORDER BY line DESC" if newest else ""
        chosen = f"filename, line, NOT odd AND {where.exact}, event"
        sql = f"SELECT {chosen} {_FROM} AND (odd OR {where.sql}) {order}"
        return self._asked(sql, paths, question, where.parameters)

    def odd(self, paths: Sequence[Path], question: Question) -> Iterator[str]:
        """The JSON of the odd rows."""
        sql = f"SELECT event {_FROM} AND odd"
        return (text for (text,) in self._asked(sql, paths, question, ()))

    def groups(
        self, paths: Sequence[Path], keys: Sequence[str], question: Question
    ) -> Iterator[tuple[Any, ...]]:
        """Of ordinary rows, per combination of keys: them, count, suppressed, first and last ns."""
        where = question.condition
        inner = "".join(f"{sql} AS k{n}, " for n, sql in enumerate(keys))
        names = ", ".join(f"k{n}" for n in range(len(keys)))
        sql = (
            f"SELECT {names}{', ' if keys else ''}count(*), sum(suppressed), min(time), max(time) "  # noqa: S608
            f"FROM (SELECT {inner}time, suppressed {_FROM} AND NOT odd AND {where.sql}) "
            + (f"GROUP BY {names}" if keys else "")
        )
        return self._asked(sql, paths, question, where.parameters)

    def _asked(
        self, sql: str, paths: Sequence[Path], question: Question, parameters: Sequence[Any]
    ) -> Iterator[tuple[Any, ...]]:
        import duckdb

        names = [str(companions.columns_path(path).absolute()) for path in paths]
        try:
            with self._connection.cursor() as cursor:  # of its own: answers are read side by side
                cursor.execute(sql, [names, question.first, question.last, *parameters])
                while found := cursor.fetchmany(_FETCHED):
                    yield from found
        except duckdb.Error as error:
            raise UnansweredError(str(error)) from error

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        spill = tempfile.mkdtemp(prefix="mlids-")
        weakref.finalize(self, shutil.rmtree, spill, ignore_errors=True)
        options: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": MEMORY,
            "temp_directory": spill,
            "autoload_known_extensions": False,
            "autoinstall_known_extensions": False,
        }
        return duckdb.connect(":memory:", config=options)


_FROM = "FROM read_parquet(?) WHERE time >= ? AND time < ?"
