"""`verify`: is the event log what MLIDS wrote."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from mlids import verification
from mlids.cli import console, settings, times
from mlids.encoders import terminal_safe
from mlids.errors import MLIDSError
from mlids.seals import VERIFY, keys
from mlids.verification import Verification

UNSIGNED = "hold together; that MLIDS wrote them, only the first key shows (--key FILE)"


@click.command(short_help="Prove that the event log is what MLIDS wrote.")
@click.option(
    "--since",
    "since_ns",
    type=times.Moment(),
    help="Only what was written since then: 2025-01-13T10:00, or 7d, 24h ago.",
)
@click.option("--key", "key_file", metavar="FILE", help="The first key, if kept elsewhere.")
@click.option("--move-key", metavar="FILE", help="Move the first key there, away from the log.")
@click.option("--config", "path", default="config.yaml", show_default=True, help="Settings.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(
    ctx: click.Context,
    path: str,
    since_ns: int | None,
    key_file: str | None,
    move_key: str | None,
    as_json: bool,
) -> int:
    """Follow the chain through all records and hold it against the seals.

    Names the first record that was changed, put in, moved or taken away; exit status 1 then.
    Whoever has the first key can prove a log even where the machine was taken over: keep it on
    another one (--move-key /media/usb/mlids.key, later --key /media/usb/mlids.key).
    """
    chosen = settings.manager(ctx, path).settings.logging
    folder = Path(chosen.logs_dir)
    seals = Path(chosen.seals_dir) if chosen.seals_dir else folder / "seals"
    if move_key:
        _move(seals / VERIFY, Path(move_key))
    try:
        taken = keys(Path(key_file or move_key or seals / VERIFY))
        if key_file and not taken:
            raise MLIDSError("E105", f"{key_file} holds no key", "it is what --move-key wrote")
        found = verification.verify(folder, seals, taken, since_ns or 0)
    except OSError as error:
        raise MLIDSError("E004", f"{error.filename}: {error.strerror}") from error
    if as_json:
        console.out_json(msgspec.to_builtins(found))
    else:
        _show(folder, found)
    return 0 if found.ok else 1


def _move(source: Path, target: Path) -> None:
    if not keys(source):
        raise MLIDSError(
            "E105", f"{source} is not there", "it was moved before, or nothing ran yet"
        )
    try:
        with target.open("x") as file:
            file.write(source.read_text())
    except OSError as error:
        raise MLIDSError("E106", f"{target}: {error.strerror}", "name a new file") from error
    target.chmod(0o400)
    source.unlink()
    console.note(f"the first key is now {target} and nowhere else: keep it on another machine")


def _show(folder: Path, found: Verification) -> None:
    if not found.ok:
        console.out("FAILED  " + terminal_safe(found.bad), fg="red", bold=True)
        if found.file:
            console.out(f"        {terminal_safe(found.file)}, line {found.line}")
        console.out(f"        the {found.records:,} records before it are right")
    elif not found.records + found.unproved:
        console.out(f"There are no events below {folder}")
        return
    else:
        numbers = f"{found.records:,} records, {found.first:,} to {found.last:,},"
        if found.authentic:
            word, text = click.style("OK", fg="green", bold=True), "are what MLIDS wrote"
        else:
            word, text = click.style("??", fg="yellow", bold=True), UNSIGNED
        console.out(f"{word}  {numbers} {text}")
        console.out(f"    sealed up to {found.sealed:,} at {found.time[:19].replace('T', ' ')} UTC")
    for line in _further(found):
        console.out(f"    {terminal_safe(line)}")


def _further(found: Verification) -> list[str]:
    counts = (
        (found.unsealed, "behind the last seal: nothing vouches that none of these was cut off"),
        (found.unproved, "lines from before the chain began, which prove nothing"),
        (found.removed, "segments removed by retention, as recorded"),
        (found.thinned, "segments thinned by retention, as recorded"),
    )
    return [f"{count:,} {text}" for count, text in counts if count] + found.notes
