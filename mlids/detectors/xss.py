"""XSS in requests that were logged (see `mlids.web.logged`)."""

from __future__ import annotations

from mlids.web.attacks import LoggedAttacks


class Xss(LoggedAttacks):
    """Tells attempts to have other people's browsers run a script."""

    attack = "XSS"
