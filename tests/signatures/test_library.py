from __future__ import annotations

import pytest

from mlids.errors import MLIDSError
from mlids.signatures.library import Library, library, load
from tests.signatures.test_rules import MINIMAL


def test_rules_are_looked_up_by_their_literals():
    rules = Library(load(MINIMAL.encode()))
    assert rules.find(b"x Refused y Refused z") == [(0, 2, 10), (0, 12, 20)]
    assert rules.rules_of == [[0]]
    assert rules.beginning == [True]
    assert Library([]).find(b"Refused ") == []


def test_generic_services_come_last():
    generic = MINIMAL.replace("service: door", "service: any\ngeneric: true")
    rules = Library([*load(generic.encode()), *load(MINIMAL.encode())])
    assert [rule.service for rule in rules.rules] == ["door", "any"]


def test_somebodys_own_folder(tmp_path):
    (tmp_path / "login").mkdir()
    (tmp_path / "login" / "door.yaml").write_text(MINIMAL)
    found = library((str(tmp_path),))
    assert len(found.of_kind("login")) == len(library().of_kind("login")) + 1
    (tmp_path / "login" / "broken.yml").write_text("service: [")
    library.cache_clear()
    with pytest.raises(MLIDSError, match=r"broken\.yml"):
        library((str(tmp_path),))
    with pytest.raises(MLIDSError, match="no such folder"):
        library((str(tmp_path / "none"),))


def test_a_time_that_is_none_is_told():
    with pytest.raises(MLIDSError, match=r"odd\.yaml"):
        load(b"service: !!timestamp x", name="odd.yaml")
