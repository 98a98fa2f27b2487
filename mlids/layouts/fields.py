"""Which field of a structured record is which column, by names that can be configured.

Defaults are the names that web servers, proxies, frameworks and the Elastic Common Schema use. A
header that a client chooses (X-Forwarded-For and its like) is never taken for its address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec

from mlids.layouts import values
from mlids.layouts.json_records import times
from mlids.layouts.syslog import Zoned

Name = str | list[str]
Path = tuple[str, ...]
MOST_SHAPES = 512  # sets of keys whose plan is remembered
LONGEST_METHOD = 32


DEFAULTS: dict[str, tuple[str, ...]] = {
    "time": (
        "timestamp", "time", "@timestamp", "ts", "date", "datetime", "eventTime", "time_iso8601",
        "time_local", "StartUTC", "asctime", "t", "Timestamp", "timeStamp", "created_at",
        "log_time",
    ),
    "message": (
        "message", "msg", "log", "event.original", "short_message", "body", "MESSAGE", "text",
    ),
    "src": (
        "remote_addr", "client_ip", "clientip", "remote_ip", "remoteAddr", "ClientHost",
        "request.remote_ip", "remoteip", "remoteIp", "clientIp", "client.ip", "source.ip",
        "src_ip", "srcip", "source_ip", "sourceIPAddress", "request.client_ip",
        "request.remote_addr", "visitor_ip", "meta.remote_ip", "addr.remote", "peer_addr", "peer",
        "req.remoteAddress", "httpRequest.remoteIp", "ipAddress", "ip_address", "ip", "client",
        "remote", "attr.remote", "rhost", "addr", "host_ip", "ClientAddr",
    ),
    "user": (
        "user", "username", "user_name", "userName", "user.name", "remote_user", "ClientUsername",
        "request.user_id", "user_id", "login", "account", "auth.user", "usr.name",
        "attr.principalName", "uid", "identifier",
    ),
    "outcome": (
        "outcome", "event.outcome", "result", "success", "auth_result", "login_status",
    ),
    "method": (
        "request_method", "RequestMethod", "http_method", "httpMethod", "request.method", "verb",
        "http.request.method", "req.method", "httpRequest.requestMethod", "method",
    ),
    "target": (
        "request_uri", "RequestPath", "requestUri", "request.uri", "http.request.uri",
        "url.original", "url.path", "req.url", "httpRequest.requestUrl", "uri", "http_path",
        "request_path", "uri_path", "target", "path", "url",
    ),
    "status": (
        "status", "status_code", "statusCode", "DownstreamStatus", "http_status", "httpStatus",
        "response_status", "http.response.status_code", "response.status", "res.statusCode",
        "httpRequest.status", "response_code", "code",
    ),
    "size": (
        "body_bytes_sent", "bytes_sent", "DownstreamContentSize", "size", "bytes",
        "response_size", "responseSize", "http.response.body.bytes", "http.response.bytes",
        "resp_body_size", "httpRequest.responseSize", "bytes_out", "length",
    ),
    "agent": (
        "http_user_agent", "request_User-Agent", "user_agent", "userAgent", "user_agent.original",
        "request.headers.User-Agent", "req.headers.user-agent", "httpRequest.userAgent", "agent",
        "ua", "useragent", "http.user_agent",
    ),
    "referrer": (
        "http_referer", "request_Referer", "referer", "referrer", "http.request.referrer",
        "request.headers.Referer", "req.headers.referer", "httpRequest.referer",
    ),
    "host": (
        "hostname", "host", "host.name", "server_name", "_HOSTNAME", "machine", "node",
    ),
    "program": (
        "program", "SYSLOG_IDENTIFIER", "appname", "app_name", "process.name", "service.name",
        "logger", "syslog_program", "application",
    ),
}  # fmt: skip


def _known(name: str) -> Any:
    return msgspec.field(default_factory=lambda: list(DEFAULTS[name]))


class Names(Zoned, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Names of fields: one, or several of which the first that says something counts.

    A dot leads into what is nested: ``request.headers.Host``.
    """

    time: Annotated[Name, msgspec.Meta(description="field of the time")] = _known("time")
    message: Annotated[Name, msgspec.Meta(description="field of the text")] = _known("message")
    src: Annotated[
        Name, msgspec.Meta(description="field of the client's address; other text is passed over")
    ] = _known("src")
    user: Annotated[Name, msgspec.Meta(description="field of the user")] = _known("user")
    outcome: Annotated[Name, msgspec.Meta(description="field that says whether it succeeded")] = (
        _known("outcome")
    )
    method: Annotated[Name, msgspec.Meta(description="field of the request's method")] = _known(
        "method"
    )
    target: Annotated[Name, msgspec.Meta(description="field of the request's path and query")] = (
        _known("target")
    )
    status: Annotated[Name, msgspec.Meta(description="field of the answer's status")] = _known(
        "status"
    )
    size: Annotated[Name, msgspec.Meta(description="field of the answer's size in bytes")] = _known(
        "size"
    )
    agent: Annotated[Name, msgspec.Meta(description="field of the client's program")] = _known(
        "agent"
    )
    referrer: Annotated[Name, msgspec.Meta(description="field of the referring page")] = _known(
        "referrer"
    )
    host: Annotated[Name, msgspec.Meta(description="field of the machine that wrote the line")] = (
        _known("host")
    )
    program: Annotated[Name, msgspec.Meta(description="field of the program that wrote it")] = (
        _known("program")
    )


COLUMNS = (
    "message", "src", "user", "outcome", "method", "target", "status", "size", "agent", "referrer",
    "host", "program",
)  # fmt: skip
QUERIES = ("query", "query_string", "args", "url.query", "QUERY_STRING")
READ: dict[str, Callable[[Any], bytes | None]] = {
    "src": values.address,
    "outcome": values.outcome,
}
Plan = dict[str, list[Path]]


class Reader:
    """Reads the columns of records; what keys a record has decides which names are looked for."""

    def __init__(self, names: Names) -> None:
        self.zone = names.timezone
        self._names = {name: _paths(getattr(names, name)) for name in ("time", *COLUMNS)}
        self._names["query"] = _paths(list(QUERIES))
        self._plans: dict[tuple[str, ...], Plan] = {}

    def columns(self, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The columns of these records, each made when it is asked for."""
        columns = _Columns(self, records)
        return columns if records else {name: columns[name] for name in ("time", *COLUMNS)}

    def plan(self, record: Mapping[str, Any]) -> Plan:
        """By column: which paths may lead anywhere in a record with these keys."""
        keys = tuple(record)
        known = self._plans.get(keys)
        if known is None:
            known = {
                name: [path for path in paths if path[0] in record]
                for name, paths in self._names.items()
            }
            if len(self._plans) < MOST_SHAPES:
                self._plans[keys] = known
        return known


class _Columns(dict[str, Any]):
    """Columns that are made when they are asked for."""

    def __init__(self, reader: Reader, records: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        self._zone = reader.zone
        self._records = records
        self._plans = [reader.plan(record) for record in records]

    def __missing__(self, name: str) -> Any:
        if name == "time":
            self[name] = times([self._moment(*each) for each in self._each(name)])
        elif name in COLUMNS:
            column = self._column(name, READ.get(name, values.text))
            if name in ("method", "target"):
                self._of_requests(column, name)
            self[name] = column
        else:
            raise KeyError(name)
        return self[name]

    def _each(self, name: str) -> Iterator[tuple[Mapping[str, Any], list[Path]]]:
        for record, plan in zip(self._records, self._plans, strict=True):
            yield record, plan[name]

    def _moment(self, record: Mapping[str, Any], paths: list[Path]) -> int:
        for path in paths:
            moment = values.moment(at(record, path), self._zone)
            if moment:
                return moment
        return 0

    def _column(self, name: str, read: Callable[[Any], bytes | None]) -> list[bytes | None]:
        column: list[bytes | None] = [None] * len(self._records)
        for row, (record, paths) in enumerate(self._each(name)):
            for path in paths:
                value = read(record[path[0]] if len(path) == 1 else at(record, path))
                if value is not None:
                    column[row] = value
                    break
        return column

    def _of_requests(self, column: list[bytes | None], name: str) -> None:
        """What a request line tells, and the query where it stands in a field of its own."""
        for row, (record, queries) in enumerate(self._each("query")):
            line = record.get("request")
            if isinstance(line, str) and column[row] is None:
                column[row] = _of_request_line(line).get(name)
            value = column[row]
            if queries and name == "target" and value and b"?" not in value:
                asked = (values.text(at(record, path)) for path in queries)
                query = next((one for one in asked if one), None)
                column[row] = value + b"?" + query.lstrip(b"?") if query else value
        if name == "target":
            self._drop_other_paths(column)

    def _drop_other_paths(self, column: list[bytes | None]) -> None:
        """A path without a method and a status is no request's: programs log files, too."""
        for row, (method, status) in enumerate(zip(self["method"], self["status"], strict=True)):
            if method is None and status is None:
                column[row] = None


def _of_request_line(line: str) -> dict[str, bytes | None]:
    """Method and target of ``GET /path HTTP/1.1``."""
    method, _, rest = line.partition(" ")
    target, _, version = rest.rpartition(" ")
    if not (target and version.startswith("HTTP/") and len(method) <= LONGEST_METHOD):
        return {}
    return {"method": values.text(method), "target": values.text(target)}


def _paths(names: Name) -> list[Path]:
    """The paths that names mean: a dot may be part of a key, or lead inside."""
    found: dict[Path, None] = {}
    for name in [names] if isinstance(names, str) else names:
        found[(name,)] = None
        found[tuple(name.split("."))] = None
    return list(found)


def at(record: Any, path: Path) -> Any:
    """The value at a path; None where it leads nowhere."""
    for key in path:
        if not isinstance(record, Mapping):
            return None
        record = record.get(key)
    return record
