"""Rogue access points: who uses the names of our wireless networks, and who disturbs the air."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from mlids.airspace.behaviours import Burst, Frame, Rings, answered, bursting
from mlids.airspace.events import Sign, account
from mlids.airspace.inventory import Inventory, Known, Network, Seen
from mlids.batches import Detector, PacketBatch
from mlids.capture.beacons import Beacons, Security, beacons, safe_text
from mlids.capture.buckets import Buckets
from mlids.capture.macs import mac_text
from mlids.capture.mixing import endpoint
from mlids.capture.wifi import is_radio, management
from mlids.episodes import Episodes
from mlids.events import Event

if TYPE_CHECKING:
    from numpy.typing import NDArray

NS = 1_000_000_000
QUIET_S = 300.0
DISASSOCIATION, DEAUTHENTICATION = 10, 12
MOST_NAMES = 16_384
MOST_CHANNELS = 8
FIRST_NS = 60 * NS  # so long after the start names are not all new


class RogueApSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Our networks, and when frames are too many."""

    networks: Annotated[
        list[Network],
        msgspec.Meta(description="ours: ssid, bssids, channels, security (open … wpa3)"),
    ] = []
    both_channels_s: Annotated[
        float, msgspec.Meta(gt=0, le=60, description="one access point on two channels within s")
    ] = 2.0
    karma_names: Annotated[
        int, msgspec.Meta(ge=2, le=32, description="unrelated names answered for within 60 s")
    ] = 3
    beacon_names: Annotated[
        int, msgspec.Meta(ge=2, le=1000, description="new names announced within 10 s")
    ] = 50
    deauth_burst: Annotated[
        int, msgspec.Meta(ge=2, le=1000, description="deauthentications of one network in 1 s")
    ] = 10
    deauth_minute: Annotated[
        int, msgspec.Meta(ge=2, le=1000, description="deauthentications of one network in 60 s")
    ] = 30


class RogueAp(Detector[PacketBatch]):
    """Says who pretends to be our wireless network, and who floods the air.

    In captures of 802.11 frames (monitor mode). `evil-twin`, `downgrade`, `channel` and
    `two-channels` are judged for `networks` only, since names and signals prove nothing.
    `karma`, `beacon-flood` and `deauth-flood` are HIGH where they concern these, else LOW.
    """

    Settings = RogueApSettings
    kind = PacketBatch
    settings: RogueApSettings

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        s = self.settings
        self._inventory = Inventory(s.networks)
        self._known: dict[int, Known] = {}  # by key of a name; only a memory of the inventory
        self._names = Buckets(MOST_NAMES, np.dtype([("seen", "u1")]))
        self._homes = Buckets(MOST_NAMES, np.dtype([("name", "S32")]))
        self._bursts = (Burst(s.deauth_burst, NS), Burst(s.deauth_minute, 60 * NS))
        self._deauths = Rings(max(s.deauth_burst, s.deauth_minute))
        self._answers = Rings(4 * s.karma_names)
        self._fresh = Rings(s.beacon_names)
        self._channels: dict[int, dict[int, int]] = {}  # of ours: channel to when it was used last
        self._episodes = Episodes(QUIET_S)
        self._since = 0
        self._captures: list[str] = []

    def inspect(self, batch: PacketBatch) -> Iterable[Event]:
        """What this batch shows, and what ended episodes held back."""
        events = list(self._inspect(batch)) if is_radio(batch) else []
        return events + self._episodes.close(batch.now)

    def flush(self) -> Iterable[Event]:
        """What was held back."""
        return self._episodes.flush()

    def counts(self) -> dict[str, int]:
        """Names, access points and episodes given up for lack of room."""
        return {
            "evicted_names": self._names.evicted + self._homes.evicted,
            "evicted_points": self._deauths.evicted + self._answers.evicted,
            "evicted_episodes": self._episodes.evicted,
        }

    def _inspect(self, batch: PacketBatch) -> Iterator[Event]:
        frames = management(batch)
        if len(frames.row):
            self._since = self._since or int(batch.time[frames.row[0]])
        if batch.source not in self._captures:
            self._captures.append(batch.source)
        seen = beacons(batch, frames)
        ours, fresh = self._ours(batch, seen), self._new_names(batch, seen)
        steps: list[tuple[int, Any, int]]
        steps = [(int(seen.row[n]), self._announced, n) for n in ours]
        steps += [(int(seen.row[n]), self._new_name, n) for n in fresh]
        steps += [(int(seen.row[n]), self._answer, n) for n in self._strange(batch, seen)]
        kicked = (frames.subtype == DEAUTHENTICATION) | (frames.subtype == DISASSOCIATION)
        kicked &= ~frames.protected & ~frames.retry
        for n in np.flatnonzero(kicked).tolist():
            steps.append((int(frames.row[n]), self._kicked, int(frames.bssid[n])))
        for row, step, what in sorted(steps, key=lambda each: each[0]):
            for key, sign in step(batch, row, seen, what):
                told = account(sign, self._captures)
                yield from self._episodes.trigger(key, int(batch.time[row]), told)

    def _knows(self, batch: PacketBatch, seen: Beacons, index: int) -> Known:
        key = int(seen.ssid_key[index])
        if not key:
            return Known((), False)
        if len(self._known) > MOST_NAMES:
            self._known.clear()
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._inventory.named(seen.ssid(batch, index))
        return known

    def _ours(self, batch: PacketBatch, seen: Beacons) -> list[int]:
        """Frames with a name of ours, or one like it, or from an access point of ours."""
        if not self.settings.networks or not len(seen.row):
            return []
        _, first, inverse = np.unique(seen.ssid_key, return_index=True, return_inverse=True)
        named = [bool(self._knows(batch, seen, n).networks) for n in first.tolist()]
        points = np.array(list(self._inventory.points), np.uint64)
        chosen = np.array(named, bool)[inverse] | np.isin(seen.bssid, points)
        found: list[int] = np.flatnonzero(chosen).tolist()
        return found

    def _new_names(self, batch: PacketBatch, seen: Beacons) -> list[int]:
        """The first beacons with names that were never seen."""
        beacon = np.flatnonzero(~seen.response & (seen.ssid_key > 0))
        keys, first = np.unique(seen.ssid_key[beacon], return_index=True)
        new = self._names.find(keys) < 0
        chosen = beacon[first[new]]
        self._names.enter(keys, batch.time[seen.row[beacon[first]]])
        found: list[int] = chosen.tolist()
        return found

    def _strange(self, batch: PacketBatch, seen: Beacons) -> list[int]:
        """Answers for other names than the first one that the access point answered for."""
        rows = np.flatnonzero(seen.response & (seen.ssid_key > 0))
        if not len(rows):
            return []
        points = _point_keys(seen.bssid[rows])
        unique, first, inverse = np.unique(points, return_index=True, return_inverse=True)
        new = np.flatnonzero(self._homes.find(unique) < 0)
        places = self._homes.enter(unique, batch.time[seen.row[rows[first]]])
        names = np.array([seen.ssid(batch, n) for n in rows.tolist()], "S32")
        room = new[places[new] >= 0]
        self._homes.rows["name"][places[room]] = names[first[room]]
        home = np.where(places >= 0, self._homes.rows["name"][places], names[first])
        found: list[int] = rows[names != home[inverse]].tolist()
        return found

    def _frame(self, batch: PacketBatch, row: int, name: str = "") -> Frame:
        capture = self._captures.index(batch.source)
        return Frame(int(batch.time[row]), capture, int(batch.frame[row]), name)

    def _announced(self, batch: PacketBatch, row: int, seen: Beacons, n: int) -> Iterator[Any]:
        """A frame that uses a name or an access point of ours."""
        bssid, time = int(seen.bssid[n]), int(batch.time[row])
        here = Seen(bssid, int(seen.channel[n]), int(seen.security[n]))
        name, where = safe_text(seen.ssid(batch, n)), [self._frame(batch, row)]
        known = self._knows(batch, seen, n)
        technique, reason = self._inventory.complaint(known, here)
        metadata: dict[str, Any] = {
            "channel": here.channel,
            "security": Security(here.security).name.lower(),
        }
        if technique:
            high = technique != "channel"
            sign = Sign(technique, reason, mac_text(bssid), name, high, "", where, metadata)
            yield (technique, bssid, name), sign
        if bssid in self._inventory.points and here.channel:
            others, since = self._also_on(bssid, here.channel, time)
            if others:
                reason = f"our access point on channels {others} within {since / NS:.1f} s"
                against = f"two channels within {self.settings.both_channels_s:g} s"
                metadata = {"channels": others}
                sign = Sign(
                    "two-channels", reason, mac_text(bssid), name, True, against, where, metadata
                )
                yield ("two-channels", bssid), sign

    def _also_on(self, bssid: int, channel: int, time: int) -> tuple[list[int], int]:
        """The channels between which an access point of ours goes to and fro, and how fast.

        One that moves to another channel and stays there is no sign.
        """
        used = self._channels.setdefault(bssid, {})
        last = used.pop(channel, -(1 << 62))
        within = time - last <= self.settings.both_channels_s * NS
        others = [other for other, when in used.items() if when >= last] if within else []
        used[channel] = time
        if len(used) > MOST_CHANNELS:
            del used[next(iter(used))]
        return sorted([channel, *others]) if others else [], time - last

    def _new_name(self, batch: PacketBatch, row: int, seen: Beacons, n: int) -> Iterator[Any]:
        name = safe_text(seen.ssid(batch, n))
        ring = self._fresh.add(0, self._frame(batch, row, name))
        burst = bursting(ring, (Burst(self.settings.beacon_names, 10 * NS),))
        if burst is None:
            return
        early = ring[-1].time - self._since < FIRST_NS
        ours = bool(self._knows(batch, seen, n).networks)
        severe = ours or (bool(self.settings.networks) and not early)
        reason = f"{len(ring)} names that were never seen before"
        against = f"{burst.frames} new names in 10 s"
        metadata = {"names": [each.name for each in ring[:-11:-1]], "count": len(ring)}
        yield (
            ("beacon-flood",),
            Sign("beacon-flood", reason, mac_text(int(seen.bssid[n])), name, severe, against,
                 ring[:-11:-1], metadata),
        )  # fmt: skip

    def _answer(self, batch: PacketBatch, row: int, seen: Beacons, n: int) -> Iterator[Any]:
        bssid, name = int(seen.bssid[n]), safe_text(seen.ssid(batch, n))
        place = int(self._homes.find(_point_keys(seen.bssid[n : n + 1]))[0])
        home = safe_text(bytes(self._homes.rows["name"][place])) if place >= 0 else name
        ring = self._answers.add(bssid, self._frame(batch, row, name))
        limit = Burst(self.settings.karma_names, 60 * NS)
        found = answered(ring, home, limit)
        if found:
            names = [home, *(frame.name for frame in found)]
            ours = any(self._inventory.named(each.encode()).networks for each in names)
            reason = f"one access point answers for {len(names)} unrelated names"
            against = f"{limit.frames} unrelated names in 60 s"
            sign = Sign(
                "karma", reason, mac_text(bssid), name, ours, against, found[::-1], {"names": names}
            )
            yield ("karma", bssid), sign

    def _kicked(self, batch: PacketBatch, row: int, seen: Beacons, bssid: int) -> Iterator[Any]:
        ring = self._deauths.add(bssid, self._frame(batch, row))
        burst = bursting(ring, self._bursts)
        if burst is not None:
            span = burst.span_ns // NS
            reason = f"{burst.frames} deauthentications within {span} s"
            ours = bssid in self._inventory.points
            sign = Sign(
                "deauth-flood",
                reason,
                mac_text(bssid),
                "",
                ours,
                f"{burst.frames} in {span} s",
                ring[:-11:-1],
                {"count": burst.frames, "window_s": span},
            )
            yield ("deauth-flood", bssid), sign

    def save(self) -> dict[str, Any]:
        """The state, as plain data."""
        return {
            "since": self._since,
            "names": self._names.save(),
            "homes": self._homes.save(),
            "rings": [ring.save() for ring in (self._deauths, self._answers, self._fresh)],
            "channels": [[bssid, list(used.items())] for bssid, used in self._channels.items()],
            "episodes": self._episodes.save(),
            "captures": self._captures,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._since = state["since"]
        self._names.restore(state["names"])
        self._homes.restore(state["homes"])
        for ring, saved in zip(
            (self._deauths, self._answers, self._fresh), state["rings"], strict=True
        ):
            ring.restore(saved)
        self._channels = {bssid: dict(used) for bssid, used in state["channels"]}
        self._episodes.restore(state["episodes"])
        self._captures = list(state["captures"])


def _point_keys(bssids: NDArray[np.uint64]) -> NDArray[np.uint64]:
    zero = np.zeros(len(bssids), np.uint16)
    return endpoint(zero.astype(np.uint64), bssids, zero) | np.uint64(1)
