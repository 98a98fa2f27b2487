"""Syslog lines: RFC 3164 (with and without a year), RFC 5424, and ISO 8601 stamps of rsyslog."""

from __future__ import annotations

from mlids.layouts.syslog import SyslogLayout


class Syslog(SyslogLayout):
    """Columns: time (int64 ns, 0 unknown), host, program, pid, message (lists of bytes or None)."""
