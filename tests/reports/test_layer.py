from __future__ import annotations

import json

import pytest

from mlids.reports.layer import COLOURS, layer
from mlids.testing import event
from tests.reports.test_incidents import incident, stage
from tests.test_coverage import DAY, Memory, at

# What the format asks for (layers/spec/v4.5 of the Navigator): required properties, with types.
REQUIRED = {"name": str, "domain": str, "versions": dict, "techniques": list}
KNOWN = {
    *REQUIRED, "description", "customDataURL", "filters", "sorting", "layout", "hideDisabled",
    "gradient", "legendItems", "showTacticRowBackground", "tacticRowBackground", "metadata",
    "selectTechniquesAcrossTactics", "selectSubtechniquesWithParent", "selectVisibleTechniques",
    "links",
}  # fmt: skip


def made(*events, **more) -> dict:
    stored = Memory(*events)
    return json.loads(json.dumps(layer(stored, at(0), at(10 * DAY), at(20 * DAY), **more)))


def seen(technique: str, severity: str, seconds: float = 1):
    return event("Rule Match", severity, seconds=seconds, techniques=[technique])


def check(found: dict) -> None:
    for key, kind in REQUIRED.items():
        assert isinstance(found[key], kind), key
    assert set(found) <= KNOWN
    assert found["versions"]["layer"] == "4.5" and found["versions"]["navigator"] >= "4.9.0"
    assert found["domain"] == "enterprise-attack"
    assert found["gradient"]["maxValue"] > found["gradient"]["minValue"]
    assert len(found["gradient"]["colors"]) >= 2
    assert all(set(item) == {"label", "color"} for item in found["legendItems"])
    for technique in found["techniques"]:
        assert technique["techniqueID"].startswith("T")
        assert isinstance(technique["score"], int) and technique["color"].startswith("#")


def test_techniques_of_all_events():
    found = made(
        seen("T1110", "LOW"),
        seen("T1110", "HIGH"),
        seen("T1059.004", "MEDIUM"),
        seen("evil", "HIGH"),
    )
    check(found)
    by = {one["techniqueID"]: one for one in found["techniques"]}
    assert set(by) == {"T1110", "T1059.004"}
    assert (by["T1110"]["score"], by["T1110"]["color"]) == (2, COLOURS["HIGH"])
    assert by["T1110"]["comment"] == "2 events: 1 LOW, 1 HIGH"
    assert by["T1059.004"]["showSubtechniques"]
    assert found["gradient"]["maxValue"] == 2


def test_techniques_of_incidents_only():
    found = made(
        seen("T1190", "HIGH"),
        incident(5, stage(1, "reconnaissance", "T1046", count=3)),
        incident(9, stage(1, "impact", "T1486", count=2), key="c-2", severity="CRITICAL"),
        only_incidents=True,
    )
    check(found)
    by = {one["techniqueID"]: (one["score"], one["color"]) for one in found["techniques"]}
    assert by == {"T1046": (3, COLOURS["HIGH"]), "T1486": (2, COLOURS["CRITICAL"])}


@pytest.mark.parametrize("only_incidents", [False, True])
def test_an_empty_layer_is_one_too(only_incidents):
    found = made(only_incidents=only_incidents)
    check(found)
    assert found["techniques"] == []
