"""The tests mirror the sources, and the sources keep to the house's measures."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path.relative_to(ROOT / "mlids")
    for path in (ROOT / "mlids").rglob("*.py")
    if path.name != "__init__.py"
)
PLUGINS = (
    "monitors",
    "formats",
    "detectors",
    "correlators",
    "integrations",
    "notifiers",
    "actions",
)


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_every_module_has_its_test_file(source):
    test = ROOT / "tests" / source.parent / f"test_{source.name}"
    assert test.exists(), f"{test.relative_to(ROOT)} is missing"
    assert "def test_" in test.read_text()


def test_every_test_file_has_its_module():
    apart = {"conformance", "end_to_end", "golden"}
    for test in (ROOT / "tests").rglob("test_*.py"):
        place = test.relative_to(ROOT / "tests")
        if place.parts[0] not in apart:
            source = ROOT / "mlids" / place.parent / place.name.removeprefix("test_")
            package = source.with_suffix("") / "__init__.py"
            beside = test.with_name(source.name)  # a server of the tests, which is tested itself
            assert any(map(Path.exists, (source, package, beside))), f"{place} tests nothing"


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_modules_and_functions_fit_the_eye(source):
    text = (ROOT / "mlids" / source).read_text()
    assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 80, node.name


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_no_module_is_a_drawer(source):
    assert source.stem not in {"utils", "util", "helpers", "common", "base", "misc"}


CLOCKS = {
    "time.time",
    "time.time_ns",
    "time.monotonic",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "time.localtime",
    "date.today",
}


@pytest.mark.parametrize("folder", ["detectors", "correlators", "formats"])
def test_detectors_and_correlators_never_read_the_clock(folder):
    for path in (ROOT / "mlids" / folder).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                name = ast.unparse(node.func)
                assert not any(name.endswith(clock) for clock in CLOCKS), f"{path.name}: {name}()"


def test_every_detector_is_held_to_the_batch_cut_law():
    for path in (ROOT / "mlids" / "detectors").glob("[!_]*.py"):
        test = ROOT / "tests" / "detectors" / f"test_{path.name}"
        assert "check_detector(" in test.read_text(), f"{test.name} does not replay it in cuts"


def test_every_correlator_is_held_to_the_same_law():
    for path in (ROOT / "mlids" / "correlators").glob("[!_]*.py"):
        test = ROOT / "tests" / "correlators" / f"test_{path.name}"
        assert "check_correlator(" in test.read_text(), f"{test.name} does not replay it in cuts"


def test_plugins_of_one_folder_do_not_know_one_another():
    for folder in PLUGINS:
        for path in (ROOT / "mlids" / folder).glob("[!_]*.py"):
            known = re.findall(rf"mlids\.{folder}\.(\w+)", path.read_text())
            assert set(known) <= {path.stem}, f"{path.name} knows {known}"
