"""Whom a network detector leaves out: its own lists, and those of all network detectors."""

from __future__ import annotations

from typing import Annotated

import msgspec

from mlids.capture.addresses import Networks

Addresses = Annotated[list[str], msgspec.Meta(description="addresses or networks")]


class Exempt(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """The part of a detector's settings that says whose packets are no attack.

    Sources are never blamed, targets may be attacked unheard, excluded addresses are neither. The
    last three are filled from the section `network` of the configuration.
    """

    ignore_sources: Addresses = []
    ignore_targets: Addresses = []
    network_ignore_sources: Annotated[
        list[str], msgspec.Meta(extra={"key": "network.ignore_sources"})
    ] = []
    network_ignore_targets: Annotated[
        list[str], msgspec.Meta(extra={"key": "network.ignore_targets"})
    ] = []
    exclude_ips: Annotated[list[str], msgspec.Meta(extra={"key": "network.exclude_ips"})] = []

    def sources(self) -> Networks:
        """Who is never blamed. Raises ValueError where a network is none."""
        return Networks([*self.ignore_sources, *self.network_ignore_sources, *self.exclude_ips])

    def targets(self) -> Networks:
        """Whose attackers are not told. Raises ValueError where a network is none."""
        return Networks([*self.ignore_targets, *self.network_ignore_targets, *self.exclude_ips])
