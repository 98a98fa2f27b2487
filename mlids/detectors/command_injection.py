"""Command Injection in requests that were logged (see `mlids.web.logged`)."""

from __future__ import annotations

from mlids.web.attacks import LoggedAttacks


class CommandInjection(LoggedAttacks):
    """Tells attempts to have the server run commands or code."""

    attack = "Command Injection"
