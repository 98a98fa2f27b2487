"""The one place that prints, and that turns an error into text and an exit status."""

from __future__ import annotations

import os
import sys
from typing import IO, Any

import click
import msgspec

from mlids.encoders import terminal_safe
from mlids.errors import ConfigError, MLIDSError

SEVERITY_STYLE: dict[str, dict[str, Any]] = {
    "LOW": {"dim": True},
    "MEDIUM": {"fg": "yellow"},
    "HIGH": {"fg": "red"},
    "CRITICAL": {"fg": "red", "bold": True, "reverse": True},
}


def colours(stream: IO[Any]) -> bool:
    """Whether to colour what goes there: a terminal, unless NO_COLOR; FORCE_COLOR wins."""
    if os.environ.get("FORCE_COLOR"):
        return True
    return not os.environ.get("NO_COLOR") and stream.isatty()


def out(text: str = "", **style: Any) -> None:
    """A result, on standard output."""
    click.echo(click.style(text, **style) if style else text, color=colours(sys.stdout))


def note(text: str = "", **style: Any) -> None:
    """A word to people, on standard error."""
    shown = click.style(text, **style) if style else text
    # Named, since click would pass by the one that keeps words and a progress bar apart.
    click.echo(shown, file=sys.stderr, color=colours(sys.stderr))


def severity(name: str, width: int = 8) -> str:
    """A severity in its colour, padded."""
    return click.style(f"{name:<{width}}", **SEVERITY_STYLE.get(name, {}))


def out_json(value: Any) -> None:
    """One JSON document, on standard output."""
    click.echo(json_text(value), nl=False)


def json_text(value: Any) -> str:
    """One JSON document that reads well, with its line end."""
    return msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode() + "\n"


def tell(error: MLIDSError) -> None:
    """An error in one line, and what to do about it in the next."""
    message, *further = error.message.split("\n")
    note(click.style(error.code, fg="red", bold=True) + f" {terminal_safe(message)}")
    problems = error.problems if isinstance(error, ConfigError) else []
    if len(problems) > 1 or error.message not in "".join(problems):
        further += problems
    for line in further:
        note(f"     {terminal_safe(line)}")
    note(f"     {terminal_safe(error.hint)}", dim=True)


def run(command: click.Command) -> int:
    """Run the command line and return its exit status."""
    try:
        result = command.main(prog_name="python index.py", standalone_mode=False)
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except MLIDSError as error:
        tell(error)
        return error.exit_status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (head, less) has gone; Python must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0
