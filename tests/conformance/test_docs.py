"""The documents say what the program does."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_the_generated_pages_are_those_in_the_repository():
    done = subprocess.run(
        [sys.executable, "-m", "docs.generate", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, f"run make docs: {done.stdout}{done.stderr}"


def test_links_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_commands_that_are_shown_exist():
    import click

    from mlids.cli import Commands, cli

    assert isinstance(cli, Commands)
    context = click.Context(cli)
    for page in PAGES:
        for name, rest in re.findall(r"index\.py ([a-z][a-z-]*)([^`\n]*)", page.read_text()):
            command = cli.get_command(context, name)
            assert command, f"{page.name}: no command {name}"
            words = re.sub(r"'[^']*'|\"[^\"]*\"|[|;#>&].*", " ", rest).split()
            if isinstance(command, click.Group) and words and re.match("[a-z]", words[0]):
                command = command.get_command(context, words[0])
                assert command, f"{page.name}: no command {name} {words[0]}"
            known = {option for one in command.params for option in one.opts + one.secondary_opts}
            options = {word for word in words if re.match("--[a-z]", word)}
            assert options <= known | {"--help"}, f"{page.name}: {name}{rest}"


def test_targets_that_are_shown_exist():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z0-9]+):", makefile, re.MULTILINE))
    assert {"run", "test", "demo", "bench", "quality", "soak", "docs", "check"} <= targets
    for page in PAGES:
        for target in re.findall(r"^make ([a-z]+)", page.read_text(), re.MULTILINE):
            assert target in targets, f"{page.name}: make {target}"


def test_settings_that_are_shown_exist():
    from mlids.config.check import all_keys
    from mlids.config.schema import settings_type

    keys = {".".join(path) for path, _ in all_keys(settings_type())}
    sections = {".".join(k.split(".")[:n]) for k in keys for n in (1, 2)}
    roots = {key.split(".")[0] for key in keys}
    for page in (page for page in PAGES if page.parent.name != "decisions"):
        for name in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", page.read_text()):
            if name.split(".")[0] in roots:
                assert name in keys | sections, f"{page.name}: {name}"


def test_configurations_that_are_shown_are_right(tmp_path):
    import yaml

    from mlids.config import ConfigValidator
    from mlids.controls.frameworks import framework
    from mlids.signatures.library import load
    from mlids.signatures.rules import LoginRule

    parts = set(LoginRule.__struct_fields__)  # a page may show some lines of a rule
    shown = 0
    for page in PAGES:
        for text in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            values = yaml.safe_load(text)
            if "service" in values:  # a file of rules; raises where it is broken
                assert load(text.encode()), page.name
            elif "framework" in values:  # controls of one's own, likewise
                (tmp_path / "own.yaml").write_text(text)
                assert framework(str(tmp_path / "own.yaml")).controls
            elif not values.keys() & parts:
                assert ConfigValidator().validate(values) == [], f"{page.name}: {text}"
            shown += 1
    assert shown >= 3
