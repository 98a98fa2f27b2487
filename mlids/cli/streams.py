"""Standard streams that are closed, or whose encoding knows little, must not end the program."""

from __future__ import annotations

import os
import sys


def mend() -> None:
    """A closed stream goes nowhere; what an encoding lacks is shown as an escape."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123
        elif mode == "w" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
