"""Custom formats of access logs: ``log_format`` of nginx and ``LogFormat`` of Apache, as patterns.

A format string becomes a pattern that takes each variable up to the letter that follows it in the
string. Of all variables only those of `NGINX` and `APACHE` are columns; the rest is skipped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.layouts.access import split, unescaped
from mlids.layouts.moments import moment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import LineBatch

NGINX = {
    "remote_addr": "src", "remote_user": "user", "request": "request", "status": "status",
    "request_method": "method", "request_uri": "target", "body_bytes_sent": "size",
    "bytes_sent": "size", "http_referer": "referrer", "http_user_agent": "agent",
    "http_cookie": "cookies", "request_body": "body", "host": "vhost", "server_name": "vhost",
    "http_host": "vhost", "time_local": "time", "time_iso8601": "time", "msec": "time",
}  # fmt: skip
APACHE = {
    "a": "src", "h": "src", "u": "user", "r": "request", "s": "status", "m": "method",
    "U": "path", "q": "query", "b": "size", "B": "size", "O": "size", "v": "vhost", "V": "vhost",
    "t": "time", "{referer}i": "referrer", "{user-agent}i": "agent", "{cookie}i": "cookies",
    "{host}i": "vhost", "{c}a": "src",
}  # fmt: skip
_NGINX_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_APACHE_VARIABLE = re.compile(r"%[!\d,]*[<>]?((?:\{[^}]*\})?\^?[A-Za-z]{1,2}|%)")
VALUES = {  # what some columns look like, whatever follows
    "status": r"(?:\d{3}|-)", "size": r"(?:\d++|-)", "path": r"[^?\s]*+", "query": r"(?:\?\S*+)?+",
}  # fmt: skip
FREE = ("agent", "referrer", "cookies", "body")  # text of the client's, unless in quotes
LETTERS = {"\\t": "\t", "\\n": "\n", '\\"': '"', "\\\\": "\\"}


class AccessPattern:
    """A format string, ready to read lines. Raises ValueError where it tells no address."""

    def __init__(self, text: str, variable: re.Pattern[str], names: Mapping[str, str]) -> None:
        self.columns: list[str] = []
        for plain, letter in LETTERS.items() if variable is _APACHE_VARIABLE else ():
            text = text.replace(plain, letter)
        pattern, at = "", 0
        for found in variable.finditer(text):
            pattern += re.escape(text[at : found.start()])
            at = found.end()
            pattern += self._group(found, names, text[at : at + 1])
        self._line = re.compile((pattern + re.escape(text[at:])).encode(), re.DOTALL)
        if "src" not in self.columns:
            raise ValueError("a log format without the client's address tells whom nothing")

    def _group(self, found: re.Match[str], names: Mapping[str, str], behind: str) -> str:
        name = next(group for group in found.groups() if group)
        if name == "%":
            return "%"
        column = names.get(name if name in names else _lower(name), "")
        until = re.escape(behind)
        if column in VALUES:
            value = VALUES[column]
        elif behind == '"':  # written with quotes escaped
            value = r'(?:[^"\\]++|\\.)*+'
        elif column in FREE:
            value = ".*"
        elif column == "time" and names is APACHE:
            return self._named("time", r"\[[^\]]{1,60}\]" if name == "t" else ".{1,60}?", until)
        else:
            value = f"[^{until}]*+" if behind else ".*+"
        return self._named(column, value, until)

    def _named(self, column: str, value: str, until: str) -> str:
        if not column or column in self.columns:
            return f"(?:{value})"
        self.columns.append(column)
        return f"(?P<{column}>{value})"

    def fields(self, line: bytes) -> dict[str, bytes | None] | None:
        """The columns of a line by name, `time` as it stands there; None where it is no such."""
        found = self._line.fullmatch(line)
        if found is None:
            return None
        values: dict[str, bytes | None] = {
            name: None if value in (b"-", b"") else unescaped(value)
            for name, value in found.groupdict().items()
        }
        if "request" in values:
            values["method"], values["target"] = split(values.pop("request"))
        if "path" in values:
            path, query = values.pop("path") or b"", values.pop("query", None) or b""
            mark = b"?" if query and not query.startswith(b"?") else b""
            values["target"] = path + mark + query
        return values

    def recognised(self, batch: LineBatch) -> NDArray[np.bool_]:
        """Which lines are of the format."""
        match, data = self._line.fullmatch, batch.data
        places = zip(batch.starts.tolist(), batch.ends.tolist(), strict=True)
        known = (match(data, start, end) is not None for start, end in places)
        return np.fromiter(known, dtype=np.bool_, count=len(batch))

    def parse(self, batch: LineBatch, zone: str) -> dict[str, Any]:
        """The columns of these lines; of one that is none, all None and time 0."""
        names = {"method", "target", *self.columns} - {"request", "time", "path", "query"}
        columns: dict[str, Any] = {name: [None] * len(batch) for name in names}
        times = np.zeros(len(batch), dtype=np.int64)
        for row in range(len(batch)):
            found = self.fields(batch.line(row)) or {}
            times[row] = moment((found.pop("time", None) or b"").strip(b"[]"), zone, batch.written)
            for name, value in found.items():
                columns[name][row] = value
        return {"time": times, **columns}


def nginx(text: str) -> AccessPattern:
    """``log_format`` of nginx. Raises ValueError where it cannot be used."""
    return AccessPattern(text, _NGINX_VARIABLE, NGINX)


def apache(text: str) -> AccessPattern:
    """``LogFormat`` of Apache. Raises ValueError where it cannot be used."""
    return AccessPattern(text, _APACHE_VARIABLE, APACHE)


def _lower(name: str) -> str:
    """``{User-Agent}i`` in the spelling of the table."""
    label, brace, letter = name.rpartition("}")
    return label.lower() + brace + letter
