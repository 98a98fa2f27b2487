import json

import pytest

from tests.signatures.test_rules import MINIMAL

GOOD = """title: Shell in a path
id: web-shell
level: high
logsource: {category: webserver}
detection:
  selection:
    cs-uri-stem|endswith: /c99.php
  condition: selection
"""
UNABLE = GOOD.replace("web-shell", "toaster").replace("category: webserver", "product: toaster")
BROKEN = GOOD.replace("endswith", "endsnot").replace("web-shell", "broken")
LINE = '192.0.2.7 - - [13/Jan/2025:10:30:45 +0000] "GET {} HTTP/1.1" 200 5 "-" "curl/8"\n'


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "sigma"
    found.mkdir()
    (found / "good.yml").write_text(GOOD)
    return found


def test_every_kind_of_rules_is_listed(run, folder, tmp_path):
    (folder / "unable.yml").write_text(UNABLE)
    (folder / "broken.yml").write_text(BROKEN)
    (tmp_path / "config.yaml").write_text("detectors:\n  sigma:\n    rules: [sigma]\n")
    done = run("rules", "list", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {"login", "web", "sigma"} <= {one["kind"] for one in found}
    sigma = {one["id"]: one for one in found if one["kind"] == "sigma"}
    assert sigma["web-shell"]["status"] == "fires"
    assert sigma["toaster"]["status"] == "unable"
    assert "toaster" in sigma["toaster"]["why"]
    assert sigma["broken"]["status"] == "broken"
    plain = run("rules", "list")
    assert "sigma/web-shell" in plain.stdout
    assert "can fire" in plain.stderr


def test_check_names_what_is_broken_or_blind(run, folder):
    (folder / "unable.yml").write_text(UNABLE)
    done = run("rules", "check", "sigma")
    assert done.returncode == 0
    assert "unable.yml:1: Shell in a path: no log format provides product toaster" in done.stdout
    assert "2 rules: 1 can fire, 1 never can, 0 are broken" in done.stderr
    (folder / "broken.yml").write_text(BROKEN)
    done = run("rules", "check", "sigma", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert (found["broken"][0]["line"], found["rules"]) == (7, 3)
    assert "endsnot" in found["broken"][0]["why"]


def test_check_of_a_path_that_does_not_exist_is_e007(run):
    done = run("rules", "check", "nowhere")
    assert done.returncode == 3
    assert "E007" in done.stderr


def test_rules_are_tried_on_a_log(run, folder, tmp_path):
    log = tmp_path / "access.log"
    log.write_text(LINE.format("/") * 3 + LINE.format("/a/c99.php"))
    done = run("rules", "test", "sigma/good.yml", "access.log")
    assert done.returncode == 1, done.stderr
    assert "access.log:4  web-shell  Shell in a path: cs-uri-stem=/a/c99.php" in done.stdout
    assert "4 lines read, 1 events" in done.stderr
    log.write_text(LINE.format("/"))
    done = run("rules", "test", "sigma", "access.log", "--format", "nginx", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, [])


def test_rules_are_held_against_their_own_examples(run, folder):
    examples = folder / "good.examples.yaml"
    match, other = LINE.format("/c99.php").strip(), LINE.format("/").strip()
    examples.write_text(f"format: nginx\nmatch: ['{match}']\nno_match: ['{other}']\n")
    done = run("rules", "test", "sigma")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 examples are right" in done.stderr
    examples.write_text(f"format: nginx\nmatch: ['{other}']\n")
    done = run("rules", "test", "sigma/good.yml", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)[0]["right"] is False
    examples.write_text(f"format: nginx\nmatch: ['{other}']\n")
    assert "matches nothing" in run("rules", "test", "sigma").stdout


@pytest.mark.parametrize("text", ["format: odd\nmatch: ['x']\n", "match: ['x']\n"])
def test_wrong_examples_are_e007(run, folder, text):
    (folder / "good.examples.yaml").write_text(text)
    done = run("rules", "test", "sigma")
    assert done.returncode == 3
    assert "E007" in done.stderr


def test_rules_without_examples_need_a_file(run, folder):
    done = run("rules", "test", "sigma")
    assert done.returncode == 3
    assert "no examples" in done.stderr


def test_folders_of_rules_for_log_lines(run, tmp_path):
    (tmp_path / "mine" / "login").mkdir(parents=True)
    rule = tmp_path / "mine" / "login" / "door.yaml"
    rule.write_text(MINIMAL)
    done = run("rules", "check", "mine")
    assert (done.returncode, done.stdout) == (0, "")
    rule.write_text(MINIMAL.replace("user: eve,", "user: eva,"))
    done = run("rules", "check", "mine")
    assert done.returncode == 1
    assert "door.yaml: door-failed gives user 'eve' instead of 'eva'" in done.stdout
