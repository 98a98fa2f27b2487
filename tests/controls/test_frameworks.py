from __future__ import annotations

from typing import get_args

import pytest

from mlids.controls.frameworks import Name, framework, load, names
from mlids.controls.judging import CHECKS
from mlids.errors import MLIDSError
from mlids.events import TYPES

WANTED = ["cis", "gdpr", "hipaa", "iso_27001", "nist_800_53", "nist_csf", "pci_dss", "soc2"]
SHAPES = {
    "cis": r"\d{1,2}\.\d{1,2}",
    "gdpr": r"Art\. \d+\(\d\)(\([a-z]\))?",
    "hipaa": r"164\.3\d\d(\([a-z0-9]+\))+(\([ivx]+\))?(\([A-D]\))?",
    "iso_27001": r"A\.[5-8]\.\d{1,2}",
    "nist_800_53": r"[A-Z]{2}-\d{1,2}",
    "nist_csf": r"(GV|ID|PR|DE|RS|RC)\.[A-Z]{2}-\d\d",
    "pci_dss": r"\d{1,2}(\.\d{1,2}){2,3}",
    "soc2": r"(CC\d|A1)\.\d",
}


def test_all_frameworks_are_there():
    assert names() == WANTED


@pytest.mark.parametrize("name", WANTED)
def test_each_is_whole(name):
    import re

    one = framework(name)
    assert one.url.startswith("https://") and 2000 < one.year < 2030 and one.source
    assert 7 <= len(one.controls) <= 20
    ids = [control.id for control in one.controls]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(SHAPES[name], id) for id in ids), ids
    for control in one.controls:
        for check in control.checks:
            assert set(check.types) <= set(TYPES), check.types
            assert bool(check.days) == (check.check == "retained")


def test_the_rules_that_are_named_exist():
    from fnmatch import fnmatch

    from mlids.signatures.library import library

    rules = [f"{rule.kind}/{rule.name}".replace("log/", "log_rule/") for rule in library().rules]
    globs = {
        glob
        for name in WANTED
        for control in framework(name).controls
        for check in control.checks
        for glob in check.rules
    }
    assert globs
    for glob in globs:
        assert any(fnmatch(rule, glob) for rule in rules), glob


def test_every_check_has_its_name():
    assert set(get_args(Name)) == set(CHECKS)


def test_one_of_somebodys_own(tmp_path):
    path = tmp_path / "house.yaml"
    path.write_text(
        "{framework: House rules, version: '3', source: s, url: u, year: 2025,"
        " controls: [{id: '7.2', title: t, shows: s, checks: [{check: watched, of: logs}]}]}"
    )
    assert framework(str(path)).controls[0].checks[0].of == "logs"


def test_unknown_and_broken_ones():
    with pytest.raises(MLIDSError) as unknown:
        framework("sox")
    assert unknown.value.code == "E105" and "pci_dss" in unknown.value.hint
    for text in (b"framework: [", b"framework: x", b"- 1", b"\xff"):
        with pytest.raises(MLIDSError) as broken:
            load(text, "mine.yaml")
        assert broken.value.code == "E107" and "mine.yaml" in broken.value.message
