import subprocess
import sys
from pathlib import Path

import click

from mlids.cli import Commands, cli


def group():
    found = cli.get_command(click.Context(cli), "cloudwatch")
    assert isinstance(found, Commands)
    return found


def test_every_sub_command_is_a_file_and_no_other_file_is_one():
    from mlids.cli import cloudwatch

    names = group().list_commands(click.Context(cli))
    files = {path.stem for path in Path(cloudwatch.__file__).parent.glob("[!_]*.py")}
    assert set(group().apart) < files
    assert {name.replace("-", "_") for name in names} == files - set(group().apart)
    assert {"check-credentials", "groups", "info", "list", "query"} <= set(names)
    for name in names:
        assert group().get_command(click.Context(cli), name).short_help
    assert group().get_command(click.Context(cli), "options") is None


def test_help_imports_nothing_heavy(tmp_path):
    code = (
        "import sys; from mlids.cli import cli\n"
        "for name in ([], ['list']):\n"
        "    try: cli.main(['cloudwatch', *name, '--help'])\n"
        "    except SystemExit: pass\n"
        "print(sorted({'boto3', 'botocore', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert "check-credentials" in done.stdout and "--log-group" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


def test_what_is_no_command_is_wrong_use(run):
    done = run("cloudwatch", "nonsense")
    assert done.returncode == 2 and "No such command" in done.stderr
