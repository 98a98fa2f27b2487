import os
from pathlib import Path

import pytest

from mlids.sigma import rules

CORPORA = os.environ.get("MLIDS_CORPORA")


def test_what_a_rule_says_of_itself(made):
    head = (
        "title: Odd thing\nid: 6a1f0f5e-0000-4000-8000-000000000001\nname: odd\nstatus: stable\n"
        "level: critical\ntags: [attack.t1059.004, attack.execution, cve.2024-1]\n"
    )
    known = rules.parse(made.rule("a: x", "product: linux\n  service: sshd", head))
    (rule,) = known.rules
    meta = rule.meta
    assert (meta.id, meta.name) == ("6a1f0f5e-0000-4000-8000-000000000001", "odd")
    assert (meta.severity, meta.level, meta.status) == ("CRITICAL", "critical", "stable")
    assert meta.techniques == ("T1059.004",)
    assert "attack.execution" in meta.tags
    assert (rule.product, rule.category, rule.service) == ("linux", "", "sshd")
    assert rule.logsource == "product linux, service sshd"


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        ("informational", "LOW"),
        ("low", "LOW"),
        ("medium", "MEDIUM"),
        ("high", "HIGH"),
        ("critical", "CRITICAL"),
    ],
)
def test_levels_are_severities(made, level, severity):
    known = rules.parse(made.rule("a: x", head=f"title: T\nlevel: {level}\n"))
    assert known.rules[0].meta.severity == severity


def test_mistakes_that_change_nothing_are_only_warnings(made):
    head = "title: T\nid: not-a-uuid\ndate: soon\nauthor: [a]\nlevel: low\n"
    known = rules.parse(made.rule("a: x", head=head))
    assert known.rules[0].meta.id == "not-a-uuid"
    assert len(known.warnings) == 3
    assert not known.problems


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ("title: T\ndetection:\n  s:\n    a: x\n  condition: s\n", "log source", 1),
        ("title: T\nlogsource: {product: x}\n", "detection", 1),
        ("logsource: {product: x}\ndetection:\n  s:\n    a: x\n  condition: s\n", "title", 1),
        (
            "title: T\nlogsource: {product: x}\ndetection:\n  good:\n    a: x\n  bad:\n"
            "    b: y\n    c|odd: z\n  condition: good\n",
            "odd",
            8,
        ),
        (
            "title: T\nlogsource: {product: x}\ndetection:\n  s:\n    a: x\n  condition: t\n",
            "t",
            6,
        ),
        ("action: global\ntitle: T\n", "action", 1),
        (
            "title: T\nlevel: huge\nlogsource: {product: x}\ndetection:\n  s:\n    a: x\n"
            "  condition: s\n",
            "huge",
            2,
        ),
    ],
)
def test_refusals_name_the_line(text, reason, line):
    known = rules.parse(text)
    assert not known.rules
    (problem,) = known.problems
    assert reason in problem.reason
    assert problem.line == line


def test_one_broken_rule_stops_no_other(made, tmp_path):
    (tmp_path / "good.yml").write_text(made.rule("a: x"))
    (tmp_path / "bad.yml").write_text("title: [")
    known = rules.load([str(tmp_path)])
    assert len(known.rules) == len(known.problems) == 1
    assert known.problems[0].path.endswith("bad.yml")


def test_a_rule_without_an_id_has_the_name_of_its_file(made, tmp_path):
    path = tmp_path / "odd_thing.yml"
    path.write_text(made.rule("a: x", head="title: T\n"))
    assert rules.load([str(path)]).rules[0].meta.id == "odd_thing"


def test_changed_files_are_read_again(made, tmp_path):
    path = tmp_path / "r.yml"
    path.write_text(made.rule("a: x", head="title: One\n"))
    first = rules.load([str(path)])
    assert rules.load([str(path)]) is first
    path.write_text(made.rule("a: x", head="title: Another\n"))
    assert rules.load([str(path)]).rules[0].meta.title == "Another"


def test_filters_are_put_into_the_rules_they_are_for(made):
    text = made.rule("a: x") + (
        "---\ntitle: Not bob\nlogsource:\n  product: shop\nfilter:\n"
        "  rules: [6a1f0f5e-0000-4000-8000-000000000001]\n  bob:\n    user: bob\n"
        "  condition: not bob\n"
    )
    engine = made.engine(text)
    batch = made.batch({"a": "x", "user": "bob"}, {"a": "x", "user": "eve"})
    assert [hit.row for hit in engine.kind(batch).hits(batch)] == [1]


def test_correlations_name_rules_that_exist(made):
    chain = (
        "---\ntitle: C\ncorrelation:\n  type: event_count\n  rules: {}\n"
        "  timespan: 1m\n  condition:\n    gte: 2\n"
    )
    head = "title: T\nname: base\n"
    good = rules.parse(made.rule("a: x", head=head) + chain.format("base"))
    assert good.chains[0].members == [good.rules[0].meta.id]
    assert not good.rules[0].told  # only the correlation is
    bad = rules.parse(made.rule("a: x", head=head) + chain.format("absent"))
    assert not bad.chains
    assert "absent" in bad.problems[0].reason


def test_correlations_may_not_build_on_themselves():
    chain = (
        "title: C{0}\nname: c{0}\ncorrelation:\n  type: event_count\n  rules: c{1}\n"
        "  timespan: 1m\n  condition:\n    gte: 2\n"
    )
    known = rules.parse(chain.format(1, 2) + "---\n" + chain.format(2, 1))
    assert not known.chains
    assert len(known.problems) == 2


@pytest.mark.skipif(not CORPORA, reason="MLIDS_CORPORA is not set")
def test_every_rule_of_the_corpus_loads_or_is_refused_with_the_reason():
    folder = Path(str(CORPORA)) / "sigma"
    known = rules.load([str(folder)])
    assert len(known.rules) + len(known.problems) == 464
    assert all(problem.reason for problem in known.problems)
    assert len(known.rules) == 464


def test_a_status_that_nobody_knows_stays_a_word():
    known = rules.parse(
        "title: x\nid: a\nstatus: maybe\nlogsource: {product: shop}\n"
        "detection: {selection: {a: b}, condition: selection}\n"
    )
    assert [rule.meta.status for rule in known.rules] == [""]
