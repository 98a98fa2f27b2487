"""SQL Injection in requests that were logged (see `mlids.web.logged`)."""

from __future__ import annotations

from mlids.web.attacks import LoggedAttacks


class SqlInjection(LoggedAttacks):
    """Tells attempts to have a database run statements of the client's."""

    attack = "SQL Injection"
