"""Failed Login and Successful Login: one event a login, as log lines tell of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

from mlids.batches import Detector, LineBatch
from mlids.events import Event, detection_id
from mlids.logins import records as logins
from mlids.logins.attempts import Attempts
from mlids.logins.sessions import Sessions

FAILURE = ("Failed Login", "MEDIUM", ("authentication", "failure"), ("T1110",))
SUCCESS = ("Successful Login", "LOW", ("authentication", "success"), ("T1078",))

MAY_LACK = ("ip", "source_host", "port", "target")


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Settings of the login detector."""

    rules: Annotated[
        list[str],
        msgspec.Meta(
            description="Folders with further rules", extra={"key": "monitoring.log_rules"}
        ),
    ] = []
    successes: Annotated[
        bool, msgspec.Meta(description="Also store logins that succeeded, as LOW events")
    ] = True
    max_connections: Annotated[
        int,
        msgspec.Meta(ge=100, description="Connections remembered to count each attempt once"),
    ] = 20_000


class Login(Detector[LineBatch]):
    """Tells every login once, however many lines it left (see `mlids.logins.attempts`)."""

    Settings = Settings
    kind = LineBatch

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._folders = tuple(self.settings.rules)
        self._attempts = Attempts(self.settings.max_connections)
        self._sessions = Sessions(self.settings.max_connections)

    def inspect(self, batch: LineBatch) -> Iterable[Event]:
        """One event for each login."""
        new = self._attempts.new
        found = logins.told(batch, self._folders)
        for login in self._sessions.placed(batch.source, found):
            for number in range(new(login)):
                if login.outcome == "failure" or self.settings.successes:
                    yield _event(batch, login, number)

    def save(self) -> dict[str, Any]:
        """The connections of late."""
        return {"attempts": self._attempts.save(), "sessions": self._sessions.save()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._attempts.restore(state["attempts"])
        self._sessions.restore(state["sessions"])

    def counts(self) -> dict[str, int]:
        """Connections that had to be forgotten early."""
        return {"evicted": self._attempts.evicted + self._sessions.evicted}


def _event(batch: LineBatch, login: logins.Login, number: int) -> Event:
    type, severity, tags, techniques = SUCCESS if login.outcome == "success" else FAILURE
    place = batch.evidence(login.row)
    text = description(login)
    details: dict[str, Any] = {
        "ip": login.src,
        "source_host": login.peer,
        "port": login.port,
        "protocol": "TCP",
        "user": login.user,
        "service": login.service,
        "method": login.method,
        "user_exists": login.exists,
        "target": login.machine,
        "description": text,
        "metadata": {"pid": login.pid},
    }
    if not (login.src and login.port and login.machine) or login.peer:
        details = {name: v for name, v in details.items() if v or name not in MAY_LACK}
    else:
        del details["source_host"]
    return Event.new(
        type,
        severity,
        "application",
        details,
        time_ns=login.time_ns,
        rule=f"login/{login.rule}",
        tags=tags,
        techniques=techniques,
        evidence=(place,),
        explanation=f"1 line (threshold 1, no window): {text}",
        correlation_id=detection_id(
            "login", place["source"], place["offset"], place["line"], number
        ),
    )


def description(login: logins.Login) -> str:
    """A login in one sentence."""
    verb = "failed" if login.outcome == "failure" else "succeeded"
    kind = " that does not exist" if login.exists is False else ""
    source = login.src or login.peer or "an unknown address"
    method = f" by {login.method}" if login.method else ""
    return f"{login.service} login of user {login.user!r}{kind} from {source} {verb}{method}"
