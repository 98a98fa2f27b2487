"""The header of syslog in front of what some programs write, as a pattern anchored at its start.

What a user typed stands behind other programs' tags, so that it is never taken for theirs.
"""

from __future__ import annotations

STAMP = (
    rb"(?:[A-Z][a-z]{2} {1,2}\d{1,2}(?: \d{4})? \d\d:\d\d:\d\d(?:\.\d{1,9})?"
    rb"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)"
)
_ISO = rb"1 \d{4}-\d\d-\d\dT[^ ]{8,32}"
UPTIME = rb"\[ *\d{1,12}\.\d{1,9}\]"


def header(programs: bytes) -> bytes:
    """A pattern of a header up to the text behind the tag; the group `host` is the machine.

    programs: alternatives of a pattern, such as ``kernel|audispd``. Known are RFC 3164, with stamps
    of any kind, RFC 5424, and the kernel's time since its start in front of the text.
    """
    known = rb"(?:" + programs + rb")"
    return (
        rb"(?:<\d{1,3}>)?(?:"
        + STAMP
        + rb" (?:(?P<host>[^\s:]{1,255}) )?"
        + known
        + rb"(?:\[\d{1,10}\])?: |"
        + _ISO
        + rb" (?P<machine>[^ ]{1,255}) "
        + known
        + rb" [^ ]{1,32} [^ ]{1,32} (?:-|\[[^\]]{0,512}\]) )(?:"
        + UPTIME
        + rb" ?)?"
    )
