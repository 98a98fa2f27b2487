"""Zeek's logs: JSON, or tab-separated values with headers (conn, http, dns, ssh, notice …)."""

from __future__ import annotations

from mlids.layouts.zeek import ZeekLayout


class Zeek(ZeekLayout):
    """Columns: time, src, user, outcome (SSH), message (notices), those of an access log (HTTP)."""
