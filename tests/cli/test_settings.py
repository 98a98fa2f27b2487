import click
import pytest

from mlids.cli import settings
from mlids.errors import MLIDSError


@click.command()
@click.option("--config", "path", default="config.yaml")
@click.pass_context
def command(ctx, path):
    return settings.manager(ctx, path)


def chosen(*arguments):
    return command.main(list(arguments), standalone_mode=False)


def test_an_absent_default_means_defaults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not chosen().exists
    assert chosen().get("port_scan_threshold") == 10


def test_an_absent_file_that_was_named_is_e001(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MLIDSError) as caught:
        chosen("--config", "config.yaml")
    assert caught.value.code == "E001"


def test_a_named_file_is_read(tmp_path):
    path = tmp_path / "other.yaml"
    path.write_text("thresholds: {port_scan_threshold: 12}")
    assert chosen("--config", str(path)).get("port_scan_threshold") == 12
