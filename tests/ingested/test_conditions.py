from __future__ import annotations

import time

import pytest

from mlids.ingested.conditions import compiled, is_under, path, values

RECORD = {
    "verb": "create",
    "code": 403,
    "ok": True,
    "user": {"name": "eve", "groups": ["dev", "ops"]},
    "spec": {"containers": [{"image": "a", "privileged": False}, {"image": "b"}], "empty": ""},
    "annotations": {"k8s.io/decision": "allow"},
    "data": {"x": "color = blue", "y": "db_password = z"},
}


@pytest.mark.parametrize(
    "condition",
    [
        {"verb": "create"},
        {"verb": ["update", "create"]},
        {"verb": "$writes"},
        {"code": 403},
        {"code": {"min": 400, "max": 499}},
        {"ok": True},
        {"user.groups": "ops"},
        {"spec.containers.image": {"prefix": ["b"]}},
        {"spec.containers.privileged": False},
        {r"annotations.k8s\.io/decision": "allow"},
        {"data.*": {"regex": "passw(or)?d"}},
        {"user.name": {"contains": "v", "suffix": "e"}},
        {"user": {"exists": True}},
        {"spec.empty": {"exists": False}},
        {"spec.missing": {"exists": False}},
        {"user.name": {"not": "bob"}},
        {"spec.missing": {"not": "x"}},
        {"any": [{"verb": "x"}, {"code": 403}]},
        {"all": [{"verb": "create"}, {"not": {"verb": "x"}}]},
    ],
)
def test_conditions_that_hold(condition):
    assert compiled(condition, {"writes": ["create"]})(RECORD)


@pytest.mark.parametrize(
    "condition",
    [
        {"verb": "Create"},
        {"verb": "create", "code": 404},
        {"code": "403"},
        {"ok": 1},
        {"code": True},
        {"user": "eve"},
        {"user.groups": "op"},
        {"spec.containers.privileged": True},
        {"annotations.k8s.io/decision": "allow"},
        {"user.groups": {"not": "dev"}},
        {"code": {"prefix": "4"}},
        {"ok": {"min": 0}},
        {"spec.empty": {"exists": True}},
        {"any": [{"verb": "x"}, {"code": 1}]},
        {"not": {"verb": "create"}},
        {"verb.deeper.*": "create"},
    ],
)
def test_conditions_that_do_not(condition):
    assert not compiled(condition, {})(RECORD)


@pytest.mark.parametrize(
    "condition", [{}, {"a": {"what": 1}}, {"a": "$none"}, {"a": {"regex": "("}}, {"any": [{}]}]
)
def test_what_makes_no_sense_is_refused(condition):
    with pytest.raises(ValueError):
        compiled(condition, {})


def test_paths():
    assert path(r"a.b\.c.d") == ("a", "b.c", "d")
    assert values(RECORD, path("spec.containers.image")) == ["a", "b"]
    assert values({"a": [[{"b": 1}], {"b": [2, 3]}]}, path("a.b")) == [2, 3]


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("/etc", True),
        ("/etc/x", True),
        ("/etc//x", True),
        ("//etc/./x", True),
        ("/etcx", False),
        ("etc", True),
        ("/", False),
    ],
)
def test_folders(text, inside):
    assert is_under(text, ["/etc"]) is inside


def test_hostile_records_cost_little():
    wide = {"data": {str(n): "password" * 100 for n in range(20_000)}}
    long = {"data": {"x": "a" * 1_000_000}}
    deep: object = "x"
    for _ in range(900):
        deep = [deep]
    holds = compiled({"data.*": {"regex": "(a+)+b|zzz"}}, {})
    began = time.perf_counter()
    for record in (wide, long, {"data": deep}, {"data": None}, {"data": [1, None, {}]}):
        assert not holds(record)
    assert time.perf_counter() - began < 0.5
