"""The policies that the documents show are enough for the commands, and no more than that."""

import ast
import json
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlids.cloudwatch.catalog import ACTIONS
from tests.cloudwatch.server import Record, Server

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/cloudwatch-iam.md").read_text()
GROUP = "/ecs/app"
READ, SOME, ASK, ROLE = (
    "Read a log group",
    "Read some streams only",
    "Ask with Logs Insights",
    "Assume a role",
)
COMMANDS = [
    *((READ, command) for command in ("list", "info", "groups", "download web/1", "sync")),
    *((READ, f"{command} --no-follow") for command in ("tail", "tail web/1", "tail w*")),
    *((READ, command) for command in ("scan", "scan web/1", "scan w*", "check-credentials")),
    (SOME, "download web/1"),
    (SOME, "tail web/1 --no-follow"),
    (ASK, "query limit"),
]
TOO_MUCH = [(SOME, command) for command in ("list", "info", "groups", "sync", "tail --no-follow")]


def policies(text: str) -> list[dict]:
    return [json.loads(found) for found in re.findall(r"^```json\n(.*?)^```", text, re.M | re.S)]


def section(title: str) -> list[dict]:
    return policies(PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0])


def actions(policy: dict) -> set[str]:
    found = [one["Action"] for one in policy["Statement"]]
    return {name for one in found for name in ([one] if isinstance(one, str) else one)}


def operations() -> set[str]:
    """What the package calls of CloudWatch Logs."""
    from botocore import xform_name
    from botocore.session import get_session

    model = get_session().get_service_model("logs")
    methods = {xform_name(name): name for name in model.operation_names}
    return {
        methods[node.attr]
        for path in (ROOT / "mlids/cloudwatch").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in methods
    }


def test_every_policy_is_one():
    pages = [path.read_text() for path in (ROOT / "docs").rglob("*.md")]
    found = [one for page in pages if '"Statement"' in page for one in policies(page)]
    assert len(found) >= 5
    for policy in found:
        assert policy["Version"] == "2012-10-17"
        assert all(re.fullmatch(r"(logs|sts):[A-Za-z]+", name) for name in actions(policy))
        for statement in policy["Statement"]:
            assert statement["Effect"] == "Allow"
            assert ("Resource" in statement) != ("Principal" in statement)
            resource = statement.get("Resource", "*")  # the ARN of a group ends with :*
            assert ":log-group:" not in resource or re.search(r":(\*|log-stream:.+)$", resource)


def test_the_page_allows_what_is_called_and_nothing_else():
    shown = {name for policy in policies(PAGE) for name in actions(policy)}
    called = {f"logs:{name}" for name in operations()}
    assert called >= {f"logs:{name}" for name in ACTIONS}
    assert shown == called | {"sts:AssumeRole"}
    table = set(re.findall(r"^\| `([a-z]+:\w+)` \|", PAGE, re.MULTILINE))
    assert table == shown | {"sts:GetCallerIdentity"}


def test_what_aws_knows_no_narrower_is_allowed_on_everything():
    wide = [
        name
        for policy in policies(PAGE)
        for one in policy["Statement"]
        if one.get("Resource") == "*"
        for name in actions({"Statement": [one]})
    ]
    assert set(wide) == {"logs:DescribeLogGroups", "logs:GetQueryResults", "logs:StopQuery"}


def run(title: str, command: str, folder: Path, monkeypatch) -> tuple[int, str]:
    """A command against a server that denies all that the policy does not allow."""
    from mlids.cli import cli
    from mlids.cloudwatch.periods import moment_ms
    from mlids.errors import MLIDSError

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "testing")
    given = keys | {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(folder)}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    (policy,) = section(title)
    denied = frozenset(name for name in operations() if f"logs:{name}" not in actions(policy))
    at = moment_ms("2026-01-13T10:00:00")
    with Server({GROUP: {"web/1": [Record(at, "hello")]}}, denied=denied) as server:
        where = ["--log-group", GROUP, "--endpoint-url", server.url, "--region", "us-east-1"]
        words = [*command.split(), *(where[2:] if command == "groups" else where)]
        done = CliRunner().invoke(cli, ["cloudwatch", *words], standalone_mode=False)
    if isinstance(done.exception, MLIDSError):
        return done.exception.exit_status, str(done.exception)
    assert done.exception is None, done.exception
    return done.return_value, done.output


@pytest.mark.parametrize(("title", "command"), COMMANDS)
def test_the_policy_is_enough(title, command, tmp_path, monkeypatch):
    status, shown = run(title, command, tmp_path, monkeypatch)
    assert (status, "E203" in shown) == (0, False)


@pytest.mark.parametrize(("title", "command"), TOO_MUCH)
def test_what_it_is_not_enough_for_is_denied(title, command, tmp_path, monkeypatch):
    status, shown = run(title, command, tmp_path, monkeypatch)
    assert status == 3
    assert "needs logs:" in shown
