"""The language in which stored events are asked for: ``type:"Failed Login" AND ip:10.0.0.0/8``.

::

    query = parse('severity>=HIGH -tags:test')
    query.matches(event)   the plain twin, for one event
    query.sql()            the same as a condition over the columns of `mlids.columns`

The language is described in docs/reference/query.md.
"""

from mlids.query.conditions import Condition
from mlids.query.errors import QueryError
from mlids.query.fields import NAMES, Field, find
from mlids.query.parsing import Query, parse
from mlids.query.quoting import quoted

__all__ = ["NAMES", "Condition", "Field", "Query", "QueryError", "find", "parse", "quoted"]
