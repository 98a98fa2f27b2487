import pytest

from mlids import registry
from mlids.errors import MLIDSError


def test_the_name_of_a_plugin_is_its_file():
    for folder in registry.FOLDERS:
        for name, plugin in registry.plugins(folder).items():
            assert plugin.__module__ == f"mlids.{folder}.{name}"
            assert issubclass(plugin, registry.FOLDERS[folder])


def test_an_unknown_name_is_a_key_error():
    with pytest.raises(KeyError, match="no_such"):
        registry.plugin("detectors", "no_such")


class Point:
    """An entry point as an outsider publishes it."""

    name = "outsider"

    def __init__(self, found):
        self.found = found

    def load(self):
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@pytest.fixture
def outsider(monkeypatch):
    def publish(found):
        registry.names.cache_clear()
        registry.plugin.cache_clear()
        monkeypatch.setattr(
            registry,
            "_outsiders",
            lambda folder: {"outsider": Point(found)} if folder == "detectors" else {},
        )

    yield publish
    monkeypatch.undo()
    registry.names.cache_clear()
    registry.plugin.cache_clear()


def test_outsiders_are_found_by_entry_point(outsider):
    from mlids.batches import Detector, LineBatch

    class Mine(Detector[LineBatch]):
        pass

    outsider(Mine)
    assert "outsider" in registry.names("detectors")
    assert registry.plugin("detectors", "outsider") is Mine


@pytest.mark.parametrize("broken", [object(), int, ImportError("no such module")])
def test_a_broken_outsider_is_e107(outsider, broken):
    outsider(broken)
    with pytest.raises(MLIDSError) as caught:
        registry.plugin("detectors", "outsider")
    assert caught.value.code == "E107"
