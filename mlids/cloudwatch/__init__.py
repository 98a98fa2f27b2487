"""CloudWatch Logs: complete downloads, and a group's lines as they come.

`CloudWatchLogsExtractor` is the whole of it for Python callers. Inside, a period is milliseconds
since 1970, half open, and is read window by window (`windows`): each window is followed to the
true end of its pages, what comes twice is dropped, and what is left is in the one order that the
same period always has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlids.cloudwatch.extractor import CloudWatchLogsExtractor

__all__ = ["CloudWatchLogsExtractor"]


def __getattr__(name: str) -> Any:
    """The class, once somebody asks for it: commands need only some of what it is made of."""
    if name != "CloudWatchLogsExtractor":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mlids.cloudwatch import extractor

    return extractor.CloudWatchLogsExtractor
