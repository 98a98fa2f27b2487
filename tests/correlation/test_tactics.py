import re
from pathlib import Path

import mlids
from mlids.correlation import tactics

FOLDER = Path(mlids.__file__).parent


def used():
    for path in [*FOLDER.rglob("*.py"), *FOLDER.rglob("*.yaml")]:
        if path.name != "tactics.yaml":
            yield from re.findall(r"\bT1\d{3}(?:\.\d{3})?\b", path.read_text())


def test_every_technique_that_mlids_names_is_known_and_no_other():
    assert set(used()) == set(tactics.techniques())


def test_every_tactic_has_its_place_and_its_id():
    named = {tactic for one in tactics.techniques().values() for tactic in one.tactics}
    assert named <= set(tactics.order())
    assert len(tactics.order()) == 14
    assert all(re.fullmatch(r"TA\d{4}", one) for one in tactics.tactic_ids().values())
    assert len(set(tactics.tactic_ids().values())) == 14


def test_the_tactics_of_a_technique_stand_in_the_order_of_the_kill_chain():
    assert tactics.techniques()["T1078"].tactics[0] == "initial-access"
    assert tactics.techniques()["T1557"].tactics == ["credential-access", "collection"]


def test_a_part_of_a_technique_that_is_not_known_counts_as_the_whole():
    assert tactics.technique("T1110.999") == tactics.technique("T1110")
    assert tactics.technique("T9999") is None


def test_what_was_tried_is_the_earliest_step_and_what_worked_the_furthest():
    names = ["T1059", "T1190"]
    assert tactics.step(names, worked=False) == ("initial-access", "T1190")
    assert tactics.step(names, worked=True) == ("execution", "T1059")
    assert tactics.step(["T9999", 7], worked=True) == tactics.NO_STEP
