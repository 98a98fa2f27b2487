"""Access to AWS: whose credentials, which region, how fast; and the clients made of that."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlids.cloudwatch.pacing import Pace
from mlids.errors import MLIDSError

if TYPE_CHECKING:
    from botocore.config import Config

REGION = "us-east-1"  # where nothing names one
ATTEMPTS = 6  # of a request, the first included
SESSION_NAME = "mlids"  # of an assumed role, as CloudTrail shows it

_BRIEFLY = {"connect_timeout": 3, "read_timeout": 5, "retries": {"total_max_attempts": 2}}


class Access:
    """Clients for one account and region. All of it may be used by several threads.

    Credentials are sought as boto3 does: arguments, environment, profile, role of the machine. A
    `role_arn` is assumed with what was found, and again before it expires.
    region_name: None is AWS_REGION, AWS_DEFAULT_REGION, the profile's region, or us-east-1.
    requests_per_second: of each kind of call, attempts that fail included; 0 sets no bound.
    connections: kept open at once; as many threads can read without waiting for one another.
    attempts: of each request; between them botocore waits ever longer, at random.

    Raises botocore's errors, and ValueError for a rate or an endpoint that is none.
    """

    def __init__(
        self,
        region_name: str | None = None,
        *,
        aws_access_key_id: str | None = None,
        aws_secret_access_key: str | None = None,
        aws_session_token: str | None = None,
        profile_name: str | None = None,
        role_arn: str | None = None,
        external_id: str | None = None,
        endpoint_url: str | None = None,
        requests_per_second: float = 5.0,
        connections: int = 10,
        attempts: int = ATTEMPTS,
    ) -> None:
        self.profile = profile_name
        self.role = role_arn
        self.pace = Pace(requests_per_second)
        self._endpoint = checked(endpoint_url) if endpoint_url else None
        self._external_id = external_id
        self._connections = connections
        self._attempts = attempts
        self._lock = threading.RLock()
        self._clients: dict[str, Any] = {}
        self._is_role_set = False
        self.ahead_ms = 0  # what this machine's clock is ahead of AWS's at most, since it answered
        # Keys go straight to the session: this object has none that could be shown.
        self._session = _session(
            profile_name, aws_access_key_id, aws_secret_access_key, aws_session_token
        )
        self.region: str = region_name or _region(self._session)

    def __repr__(self) -> str:
        shown = {"region": self.region, "profile": self.profile, "role": self.role}
        texts = [f"{name}={value!r}" for name, value in shown.items() if value]
        endpoint = [f"endpoint={_shown(self._endpoint)!r}"] if self._endpoint else []
        return f"Access({', '.join(texts + endpoint)})"

    @property
    def client(self) -> Any:
        """The boto3 client for CloudWatch Logs."""
        return self._once("logs", lambda: self._paced(self._made("logs")))

    @property
    def reader(self) -> Any:
        """A client whose pages of events are taken out with `answers.taken`."""

        def made() -> Any:
            from mlids.cloudwatch import answers

            client = self._paced(self._made("logs"))
            answers.install(client)
            return client

        return self._once("reader", made)

    def service(self, name: str) -> Any:
        """The boto3 client of another service, such as "sts", that does not try for long."""
        return self._once(f"service {name}", lambda: self._made(name, **_BRIEFLY))

    @property
    def credentials(self) -> Any:
        """Botocore's credentials, None where there are none; `method` says where they come from."""
        with self._lock:
            self._take_role()
            return self._session.get_credentials()

    def _take_role(self) -> None:
        """From now on the session's credentials are those of the role, if there is one."""
        if self.role and not self._is_role_set:
            core = self._session._session
            core._credentials = self._assumed(core)
            self._is_role_set = True

    def _once(self, name: str, made: Callable[[], Any]) -> Any:
        with self._lock:  # boto3 makes clients in one thread only
            if name not in self._clients:
                self._clients[name] = made()
            return self._clients[name]

    def _made(self, name: str, **config: Any) -> Any:
        self._take_role()
        return self._session.client(
            name,
            region_name=self.region,
            endpoint_url=self._endpoint_of(name),
            config=self._config(**config),
        )

    def _config(self, **changed: Any) -> Config:
        from botocore.config import Config

        from mlids import __version__

        usual = {
            "connect_timeout": 10,
            "read_timeout": 30,
            "max_pool_connections": self._connections,
            "retries": {"mode": "adaptive", "total_max_attempts": self._attempts},
            "user_agent_extra": f"mlids/{__version__}",
        }
        return Config(**usual | changed)

    def _paced(self, client: Any) -> Any:
        # Sent for each attempt; last, so that botocore's own waiting does not come after ours.
        client.meta.events.register_last("before-send", self._wait)
        client.meta.events.register("before-parse.cloudwatch-logs", self._compare_clocks)
        return client

    def _compare_clocks(self, response_dict: dict[str, Any], **_: Any) -> None:
        """AWS takes requests of clocks that are minutes wrong, and events come by its own."""
        with contextlib.suppress(TypeError, ValueError):
            theirs = parsedate_to_datetime(response_dict["headers"].get("date")).timestamp()
            self.ahead_ms = max(0, round((time.time() - theirs) * 1000))

    def _wait(self, event_name: str, **_: Any) -> None:
        self.pace.wait(event_name.rpartition(".")[2])  # before-send.cloudwatch-logs.GetLogEvents

    def _endpoint_of(self, name: str) -> str | None:
        """Servers that stand in for AWS answer for all services; an address of AWS does not."""
        host = urlsplit(self._endpoint or "").hostname or ""
        is_apart = host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))
        if name != "logs" and (is_apart or f"AWS_ENDPOINT_URL_{name.upper()}" in os.environ):
            return None
        return self._endpoint

    def _assumed(self, core: Any) -> Any:
        """Credentials of the role, fetched when they are first used."""
        from botocore import credentials
        from botocore.exceptions import NoCredentialsError

        found = core.get_credentials()
        if found is None:
            raise NoCredentialsError

        def client(name: str, **keys: str | None) -> Any:
            endpoint, config = self._endpoint_of(name), self._config()
            return core.create_client(
                name, region_name=self.region, endpoint_url=endpoint, config=config, **keys
            )

        more = {"RoleSessionName": SESSION_NAME}
        if self._external_id:
            more["ExternalId"] = self._external_id
        fetcher = credentials.AssumeRoleCredentialFetcher(client, found, self.role, extra_args=more)
        return credentials.DeferredRefreshableCredentials(
            fetcher.fetch_credentials, method=f"assume-role, by {found.method}"
        )


def _session(profile: str | None, id: str | None, secret: str | None, token: str | None) -> Any:
    try:
        import boto3
    except ImportError as error:
        raise MLIDSError("E005", "boto3 is not installed", 'pip install "boto3<2"') from error
    from botocore.exceptions import PartialCredentialsError

    if bool(id) != bool(secret):
        missing = "aws_secret_access_key" if id else "aws_access_key_id"
        raise PartialCredentialsError(provider="the arguments", cred_var=missing)
    return boto3.Session(id or None, secret or None, token or None, profile_name=profile or None)


def _region(session: Any) -> str:
    named = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return named or session.region_name or REGION


def checked(url: str) -> str:
    """The address of an endpoint as it was given.

    Raises ValueError where it is none: botocore says so too late, or not at all.
    """
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or not url.isprintable() or " " in url:
        raise ValueError(f"Invalid endpoint: {url.rpartition('@')[2]!r} is no http or https URL")
    return url


def _shown(url: str) -> str:
    """The address without user, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
