"""Every error that MLIDS can tell, with a stable code.

::

    MLIDSError             any of them: code, message, hint
    ├── ConfigError        E001, E002: the configuration
    └── SinkError          E104: a sink could not take a batch; it is offered again

`cli/console.py` alone turns an error into text and an exit status.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class ErrorInfo(NamedTuple):
    """What a code means, what its reader can do about it, and how a command ends that meets it."""

    title: str
    hint: str
    exit_status: int = 3


TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h: cron and systemd may run the same command later

ERRORS: dict[str, ErrorInfo] = {
    "E001": ErrorInfo(
        "Configuration file not found",
        "check the path, or write one with: python index.py config --init",
    ),
    "E002": ErrorInfo(
        "Invalid configuration",
        "correct the lines named above; python index.py config --validate checks again",
    ),
    "E003": ErrorInfo(
        "Network interface not available",
        "name one that exists with --interface (ip link lists them), or leave it out",
    ),
    "E004": ErrorInfo(
        "Permission denied",
        "run as a user who may read it: root, or a member of the groups adm and systemd-journal",
    ),
    "E005": ErrorInfo("Required dependency missing", "install it with the pip line named above"),
    "E006": ErrorInfo(
        "Event store is in use",
        "another MLIDS writes there: stop it, or choose another folder with logging.logs_dir",
    ),
    "E007": ErrorInfo("Input not found", "check the path"),
    "E008": ErrorInfo("Address already in use", "choose another port, or stop what listens there"),
    "E009": ErrorInfo(
        "No right to capture packets",
        "run as root, or: sudo setcap cap_net_raw+ep $(readlink -f .venv/bin/python)",
    ),
    "E010": ErrorInfo("Nothing can be monitored", "name an input: --interface, --dir or --app-log"),
    "E011": ErrorInfo("Damaged recording", "what could be read before the damage was used"),
    "E012": ErrorInfo("Unknown kind of recording", "give a pcap, a pcapng or a log file"),
    "E101": ErrorInfo("Network monitoring failed", "MLIDS tries again by itself"),
    "E102": ErrorInfo("File monitoring failed", "MLIDS tries again by itself"),
    "E103": ErrorInfo("Log parsing failed", "MLIDS tries again by itself"),
    "E104": ErrorInfo(
        "Sink connection failed",
        "events are kept and offered again; check the address and the peer",
    ),
    "E105": ErrorInfo("Analysis engine error", "check the query and the files in logs/"),
    "E106": ErrorInfo(
        "Event store cannot be written",
        "free space or mend the rights; events are kept in memory and written then",
    ),
    "E107": ErrorInfo("Plugin failed", "report it to the plugin's author; the others go on"),
    "E201": ErrorInfo(
        "No AWS credentials",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile, or use an IAM role",
    ),
    "E202": ErrorInfo(
        "AWS credentials refused or expired",
        "renew them; python index.py cloudwatch check-credentials tells which ones are used",
    ),
    "E203": ErrorInfo(
        "AWS permission denied",
        "allow the action named above in the IAM policy of this user or role",
    ),
    "E204": ErrorInfo(
        "Log group or stream not found",
        "python index.py cloudwatch groups lists the groups of the region; check the region, too",
    ),
    "E205": ErrorInfo("AWS region unknown", "name one such as eu-west-1 with --region"),
    "E206": ErrorInfo(
        "AWS cannot be reached",
        "check network, proxy and endpoint URL; the same command may be run again",
        TRY_AGAIN,
    ),
    "E207": ErrorInfo(
        "AWS refuses for now: throttled or failing",
        "run the same command again later, with fewer --requests-per-second where it is throttled",
        TRY_AGAIN,
    ),
    "E208": ErrorInfo(
        "CloudWatch download incomplete",
        "run the same command again: it goes on where it stopped",
        1,
    ),
    "E209": ErrorInfo("AWS refused the request", "check what was asked for"),
    "E210": ErrorInfo(
        "Another sync is running in this folder",
        "wait until it ends, or choose another folder",
        TRY_AGAIN,
    ),
}


class MLIDSError(Exception):
    """An error with a stable code.

    Attributes: `code` ("E003"), `message` (one line: what happened), `hint` (one line: what to do),
    `exit_status` of a command that it ends.
    """

    exit_status = 3

    def __init__(self, code: str, message: str = "", hint: str = "") -> None:
        info = ERRORS[code]
        self.code = code
        self.message = message or info.title
        self.hint = hint or info.hint
        if info.exit_status != MLIDSError.exit_status:
            self.exit_status = info.exit_status
        super().__init__(code, self.message, self.hint)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class ConfigError(MLIDSError):
    """The configuration is missing (E001) or wrong (E002); `problems` lists every mistake."""

    def __init__(self, code: str, message: str = "", problems: Sequence[str] = ()) -> None:
        super().__init__(code, message)
        self.problems = list(problems)


class SinkError(MLIDSError):
    """E104: the batch, or the part of it named by `refused`, is to be offered again.

    refused: positions in the batch that were not taken; None means all but the rejected ones.
    rejected: positions that the peer will never take; they are put aside, counted and told, so that
    they do not hold up the others.
    wait_s: seconds to wait before the next offer, where the peer named them (None: usual backoff).
    """

    def __init__(
        self,
        message: str = "",
        refused: Sequence[int] | None = None,
        rejected: Sequence[int] = (),
        wait_s: float | None = None,
    ) -> None:
        super().__init__("E104", message)
        self.refused = refused
        self.rejected = rejected
        self.wait_s = wait_s
