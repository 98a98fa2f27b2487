"""Records that wait until all that may answer them has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.floods.records import joined, nothing, record, taken

if TYPE_CHECKING:
    from mlids.floods.records import Records
    from mlids.floods.tally import Tally


class Waiting:
    """Records whose slot is not over, at most `most`; evicted: judged before their time."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.evicted = 0
        self.held: Records = nothing()
        self.tallies: dict[str, Tally] = {}  # what they are counted in

    def take(self, made: Records) -> None:
        """Add records, later than those there."""
        self.held = joined(self.held, made)

    @property
    def full(self) -> bool:
        """Whether there are too many, so that some are judged before their time."""
        return len(self.held) > self.most

    def closed(self, until_ns: int) -> Records:
        """The records before this time; they are let go."""
        held = self.held
        if self.full:
            early = int(held["time"][len(held) - self.most])
            begin, end = np.searchsorted(held["time"], [until_ns, early]).tolist()
            self.evicted += max(0, end - begin)
            until_ns = max(until_ns, early)
        if not len(held) or held["time"][0] >= until_ns:
            return nothing()
        split = int(np.searchsorted(held["time"], until_ns))
        self.held = taken(held, slice(split, None)).copy()
        return taken(held, slice(0, split))

    def save(self) -> list[Any]:
        """The state, as plain data."""
        return [self.held.tobytes(), {name: each.save() for name, each in self.tallies.items()}]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        self.held = np.frombuffer(state[0], record()).copy()
        for name, each in self.tallies.items():
            each.restore(state[1][name])
