from __future__ import annotations

from collections.abc import Iterator

import pytest

from mlids.errors import MLIDSError
from mlids.ingested.cloud import Cloud
from mlids.ingested.cluster import Cluster
from mlids.ingested.findings import Place
from mlids.ingested.hosts import Hosts
from mlids.ingested.product import RuleProduct
from mlids.ingested.rules import Example, build, load, records, shipped
from mlids.testing import START_NS

LISTS = {
    "trusted_users": ["trusted"],
    "trusted_images": [],
    "known_users": ["known"],
    "known_images": ["known/"],
    "known_namespaces": ["known"],
}
PRODUCTS: dict[str, type[RuleProduct]] = {p.name: p for p in (Cluster, Cloud, Hosts)}


def told(product: str, example: Example, needs: list[str]) -> set[str]:
    lists = {name: value if name in needs else [] for name, value in LISTS.items()}
    made = PRODUCTS[product](lists)
    found = set()
    for number, record in enumerate(records(example)):
        place = Place(START_NS + number * 10**8, "x.log", number + 1, number)
        found |= {finding.rule for finding, _ in RuleProduct.told(made, record, place)}
    return found


def examples(kind: str) -> Iterator[object]:
    for product in PRODUCTS:
        for rule in shipped(product).rules:
            for number, example in enumerate(getattr(rule, kind)):
                name = f"{product}-{rule.id}"
                yield pytest.param(product, name, example, rule.needs, id=f"{name}-{number}")


@pytest.mark.parametrize(("product", "name", "example", "needs"), list(examples("match")))
def test_rules_find_what_they_are_about(product, name, example, needs):
    assert name in told(product, example, needs)


@pytest.mark.parametrize(("product", "name", "example", "needs"), list(examples("no_match")))
def test_rules_leave_others_alone(product, name, example, needs):
    assert name not in told(product, example, needs)


@pytest.mark.parametrize("product", PRODUCTS)
def test_lines_of_examples_are_decoded(product):
    """What a rule must find holds one of the literals without which no line is looked at."""
    import json

    file = shipped(product)
    for rule in file.rules:
        for example in rule.match:
            for record in records(example):
                if product == "auditd":
                    text = " ".join(f"{k}={v}" for k, v in record.items()) + " "
                else:
                    text = json.dumps(record)
                assert any(each in text for each in file.literals), (rule.id, text)


@pytest.mark.parametrize("product", PRODUCTS)
def test_rules_say_what_they_mean(product):
    names = [rule.id for rule in shipped(product).rules]
    assert len(names) == len(set(names))
    for rule in shipped(product).rules:
        assert rule.title[0].islower() or rule.title.startswith("pkexec")
        assert all(t[0] == "T" and t[1:5].isdigit() for t in rule.techniques), rule.id
        assert rule.severity == "LOW" or rule.techniques, rule.id


RULE = """
product: k8s_audit
literals: [x]
rules:
  - {id: a, title: t, severity: HIGH, when: %s, match: [{a: 1}, {a: 2}], no_match: [{a: 3}, {a: 4}]}
"""


@pytest.mark.parametrize(
    "text", ["rules: 1", "{", RULE.replace("severity: HIGH", "severity: BAD") % "{a: 1}"]
)
def test_broken_files_are_told(text):
    with pytest.raises(MLIDSError, match=r"x\.yaml"):
        load(text.encode(), "x.yaml")


@pytest.mark.parametrize("when", ["{a: {regex: '('}}", "{a: {what: 1}}", "{a: $none}", "{not: {}}"])
def test_broken_conditions_name_their_rule(when):
    with pytest.raises(ValueError, match="k8s_audit-a"):
        build(load((RULE % when).encode()), {})


def test_rules_sleep_without_their_lists():
    file = load((RULE % "{a: $b}").replace("when:", "needs: [b], when:").encode())
    assert build(file, {"b": []}) == []
    assert len(build(file, {"b": [1]})) == 1


def test_a_time_that_is_none_is_told():
    with pytest.raises(MLIDSError, match=r"odd\.yaml"):
        load(b"service: !!timestamp x", name="odd.yaml")
