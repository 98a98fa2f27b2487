"""Suspicious Login: one user at two places sooner than anybody can travel.

At least 900 km/h (an airliner with the wind) over at least 500 km, after the table's own accuracy
is taken off at both ends: nearer places are mixed up by every table and every mobile network. What
cannot be verified is never held against anybody and never takes the place of what was: VPN
networks, private addresses, addresses that the table knows no spot of. Logins that fail do not
count, since anybody can fail under anybody's name.

The two places of a user are one detection, under whichever of them he logs in next: it is told by
the volume law (`mlids.volume`), until it has not happened for a week.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import msgspec

from mlids.batches import Detector, LineBatch
from mlids.episodes import Account, Episodes
from mlids.events import Event, format_time
from mlids.logins import records as logins
from mlids.travel.journeys import Journey, Journeys, Spot, Visit, account_name
from mlids.travel.places import Table

QUIET_S = 7 * 86_400
CONFIDENCE = 0.8  # tables err, and phones are where their network says


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Settings of the impossible travel detector."""

    rules: Annotated[
        list[str],
        msgspec.Meta(
            description="Folders with further rules", extra={"key": "monitoring.log_rules"}
        ),
    ] = []
    table: Annotated[
        str,
        msgspec.Meta(
            description="Your own location table, a MaxMind DB file with towns (.mmdb);"
            " empty: nothing is looked for"
        ),
    ] = ""
    vpn_networks: Annotated[
        list[str],
        msgspec.Meta(description="Addresses and networks whose users are elsewhere: exits of VPNs"),
    ] = []
    ignore_users: Annotated[
        list[str], msgspec.Meta(description="Names that several people log in by")
    ] = []
    min_speed_kmh: Annotated[
        float, msgspec.Meta(ge=100, le=100_000, description="Nobody travels as fast as this")
    ] = 900.0
    min_distance_km: Annotated[
        float,
        msgspec.Meta(
            ge=50, le=20_000, description="Nearer places are not told apart, radii taken off"
        ),
    ] = 500.0
    max_users: Annotated[
        int, msgspec.Meta(ge=100, description="Users whose last place is remembered")
    ] = 50_000


class ImpossibleTravel(Detector[LineBatch]):
    """Tells users who log in from two places sooner than anybody can travel.

    Raises `MLIDSError` where the table cannot be used, ValueError for a network that is none.
    """

    Settings = Settings
    kind = LineBatch

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        chosen = self.settings
        self._folders = tuple(chosen.rules)
        self._ignored = frozenset(map(account_name, chosen.ignore_users))
        self._table = Table(chosen.table, chosen.vpn_networks) if chosen.table else None
        self._journeys = Journeys(chosen.min_speed_kmh, chosen.min_distance_km, chosen.max_users)
        self._episodes = Episodes(QUIET_S, chosen.max_users, chosen.max_users, "application")

    def inspect(self, batch: LineBatch) -> Iterable[Event]:
        """The journeys that these logins would have taken."""
        return self._told(batch, self._table) if self._table else ()

    def _told(self, batch: LineBatch, table: Table) -> Iterator[Event]:
        for login in logins.logins(batch, self._folders):
            if login.outcome == "success" and login.src and login.user:
                yield from self._login(batch, login, table)
        if not len(batch) and batch.now:
            yield from self._episodes.close(batch.now)

    def _login(self, batch: LineBatch, login: logins.Login, table: Table) -> Iterator[Event]:
        if account_name(login.user) in self._ignored or not _has_time(batch, login):
            return
        yield from self._episodes.close(login.time_ns)
        spot, place = Spot(**batch.evidence(login.row)), table.place(login.src)
        if place is None:
            self._journeys.unverifiable(login.user, login.time_ns, login.src, spot)
            return
        visit = Visit(login.time_ns, login.src, place, spot)
        journey = self._journeys.arrive(login.user, visit)
        if journey is not None:
            key = ("travel", account_name(login.user), *journey.places)
            account = self._account(login, journey)
            yield from self._episodes.trigger(key, journey.after.time_ns, account)

    def _account(self, login: logins.Login, journey: Journey) -> Account:
        """What is told of a journey."""
        chosen, before, after = self.settings, journey.before, journey.after
        later = f"{journey.seconds:,.0f} s later" if journey.seconds >= 1 else "in the same second"
        text = (
            f"user {login.user!r} logged in from {before.address} ({before.place.title}) and"
            f" {later} from {after.address} ({after.place.title}), {journey.distance_km:,.0f} km"
            " away"
        )
        fast = math.isfinite(journey.speed_kmh)
        speed = f"{journey.speed_kmh:,.0f} km/h" if fast else "at once"
        details: dict[str, Any] = {
            "ip": after.address,
            "user": login.user,
            "protocol": "TCP",
            "service": login.service,
            "description": text,
            "metadata": {
                "technique": "impossible-travel",
                "from": _described(before),
                "to": _described(after),
                "distance_km": round(journey.distance_km, 1),
                "beyond_accuracy_km": round(journey.apart_km, 1),
                "seconds": round(journey.seconds, 3),
                "speed_kmh": round(journey.speed_kmh, 1) if fast else None,
                "unverifiable": [one.address for one in journey.between],
                "threshold_kmh": chosen.min_speed_kmh,
                "threshold_km": chosen.min_distance_km,
            },
        }
        if login.src == after.address and login.port:
            details["port"] = login.port
        if login.machine:
            details["target"] = login.machine
        return Account(
            "Suspicious Login",
            "HIGH",
            "impossible_travel",
            details,
            f"{journey.apart_km:,.0f} km beyond the accuracy of the table in"
            f" {journey.seconds:,.0f} s: {speed} (threshold {chosen.min_speed_kmh:,.0f} km/h over"
            f" {chosen.min_distance_km:,.0f} km; window: from one login to the next)",
            _evidence(journey),
            ["T1078"],
            ["authentication", "impossible-travel"],
            CONFIDENCE,
        )

    def flush(self) -> Iterable[Event]:
        """Tell the journeys that were held back."""
        return self._episodes.flush()

    def save(self) -> dict[str, Any]:
        """Last places, and what is held back."""
        return {"journeys": self._journeys.save(), "episodes": self._episodes.save()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._journeys.restore(state["journeys"])
        self._episodes.restore(state["episodes"])

    def counts(self) -> dict[str, int]:
        """Users and detections that were forgotten before their time."""
        return {"evicted": self._journeys.evicted + self._episodes.evicted}


def _has_time(batch: LineBatch, login: logins.Login) -> bool:
    """Whether the line tells its time; one without has that of its reading, as all around it."""
    if login.time_ns != batch.written:
        return login.time_ns > 0
    import numpy as np

    try:
        return bool(batch.take(np.array([login.row])).column("time")[0])
    except KeyError:
        return False


def _described(visit: Visit) -> dict[str, Any]:
    place = visit.place
    return {
        "ip": visit.address,
        "time": format_time(visit.time_ns),
        "city": place.city,
        "country": place.country,
        "latitude": place.latitude,
        "longitude": place.longitude,
        "accuracy_km": place.accuracy_km,
    }


def _evidence(journey: Journey) -> list[dict[str, Any]]:
    """Both lines, the later one first, and those that could not be verified."""
    spots = [journey.after.spot, journey.before.spot, *(one.spot for one in journey.between)]
    return [spot._asdict() for spot in spots]
