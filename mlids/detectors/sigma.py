"""Rule Match: rules in Sigma's language, by others or of one's own, on every log line as it comes.

What rules may ask for, and which logs they are for, is told in ``docs/how-to/use-sigma-rules.md``.
Rules are data: a broken one is told and stops no other, and one that can never fire is told too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec

from mlids.batches import Detector, LineBatch
from mlids.events import Event
from mlids.sigma.sources import Source, entries

Level = Literal["informational", "low", "medium", "high", "critical"]


class SigmaSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Settings of the Sigma rules."""

    rules: Annotated[
        list[str], msgspec.Meta(description="Files and folders of Sigma rules; empty: none")
    ] = []
    sources: Annotated[
        list[Source],
        msgspec.Meta(
            description="Logs that only you know: format or input (a pattern of paths), and their"
            " product, category, service, fields"
        ),
    ] = []
    placeholders: Annotated[
        dict[str, list[str]],
        msgspec.Meta(description="Values of %names% that rules with the modifier expand hold"),
    ] = {}
    min_level: Annotated[Level, msgspec.Meta(description="Rules below this level are not told")] = (
        "informational"
    )
    limit_per_minute: Annotated[
        int,
        msgspec.Meta(
            ge=1, le=100_000, description="Events of one rule; the rest is counted and told"
        ),
    ] = 600
    max_keys: Annotated[
        int, msgspec.Meta(ge=100, description="Groups remembered for each correlation")
    ] = 10_000


class Sigma(Detector[LineBatch]):
    """Holds every log line against Sigma rules and correlations of them.

    Raises `MLIDSError` E007 where a file or folder of rules does not exist, ValueError for sources
    that say too little.
    """

    Settings = SigmaSettings
    kind = LineBatch
    settings: SigmaSettings

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._live = self._loaded() if self.settings.rules else None

    def _loaded(self) -> Any:
        from mlids.sigma import rules  # most who start MLIDS name none
        from mlids.sigma.live import Live

        chosen = self.settings
        known = rules.load(chosen.rules, chosen.placeholders)
        mapped = entries(chosen.sources)
        least = rules.SEVERITIES[chosen.min_level.upper()]
        return Live(known, mapped, least, chosen.max_keys, chosen.limit_per_minute)

    def inspect(self, batch: LineBatch) -> Iterable[Event]:
        """The rules that match, and the correlations that are met."""
        return self._live.inspect(batch) if self._live else ()

    def flush(self) -> Iterable[Event]:
        """Matches that were held back, and records whose last line did not come."""
        return self._live.flush() if self._live else ()

    def counts(self) -> dict[str, int]:
        """What was given up for want of room."""
        return self._live.counts() if self._live else {}

    def save(self) -> dict[str, Any]:
        """The state, as plain data."""
        return self._live.save() if self._live else {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        if self._live and state:
            self._live.restore(state)
