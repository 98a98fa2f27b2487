"""Path Traversal in requests that were logged (see `mlids.web.logged`)."""

from __future__ import annotations

from mlids.web.attacks import LoggedAttacks


class PathTraversal(LoggedAttacks):
    """Tells attempts to read files that a server does not offer."""

    attack = "Path Traversal"
