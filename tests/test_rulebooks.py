from __future__ import annotations

import pytest

from mlids.config import ConfigManager
from mlids.rulebooks import is_rulebook, verdicts
from tests.signatures.test_rules import MINIMAL


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "login").mkdir()
    (tmp_path / "login" / "door.yaml").write_text(MINIMAL)
    return tmp_path


def told(folder):
    return list(verdicts(ConfigManager("/none.yaml").settings, str(folder)))


def test_rules_that_hold(folder):
    (one,) = told(folder)
    assert (one.rule.name, one.problems) == ("door-failed", [])
    assert one.path.endswith("door.yaml")


def test_examples_that_go_wrong_and_files_that_are_broken(folder):
    (folder / "login" / "door.yaml").write_text(MINIMAL.replace("user: eve,", "user: eva,"))
    (folder / "login" / "torn.yml").write_text("service: [")
    wrong, torn = told(folder)
    assert "user 'eve' instead of 'eva'" in wrong.problems[0]
    assert torn.rule is None
    assert "torn.yml" in torn.problems[0]


def test_what_is_a_folder_of_rules(folder, tmp_path_factory):
    assert is_rulebook(str(folder))
    assert not is_rulebook(str(tmp_path_factory.mktemp("empty")))
    assert not is_rulebook("/none")
