"""What is imported when: heavy packages late, start-up cheap, the sensor small."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = (
    "numpy",
    "pandas",
    "sklearn",
    "scapy",
    "matplotlib",
    "boto3",
    "duckdb",
    "rich",
    "httpx2",
    "websockets",
    "watchdog",
    "zstandard",
    "re2",
    "jinja2",
)


def modules_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split("\n"))


@pytest.mark.parametrize(
    "module",
    [
        "mlids",
        "mlids.errors",
        "mlids.events",
        "mlids.metrics",
        "mlids.store",
        "mlids.logger",
        "mlids.delivery",
    ],
)
def test_the_event_side_never_imports_a_heavy_package(module):
    assert modules_after(f"import {module}") & set(HEAVY) == set()


COMMANDS = [
    ["--help"],
    ["--version"],
    ["config", "--get", "port_scan_threshold"],
    ["status"],
    ["start", "--help"],
    ["config", "--list"],
    ["verify"],
    ["analyze", "--search", "type:XSS"],
    ["analyze", "--report", "summary"],
    ["suppress", "list"],
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_small_commands_import_nothing_heavy(arguments, tmp_path):
    code = f"""
import os, runpy, types
os.chdir({str(tmp_path)!r})
sys.argv = ["index.py", *{arguments!r}]
try:
    runpy.run_path({str(ROOT / "index.py")!r}, run_name="__main__")
except SystemExit:
    pass
lazy = [n for n in {HEAVY!r} if n in sys.modules and type(sys.modules[n]) is not types.ModuleType]
for name in lazy:
    del sys.modules[name]
"""
    assert modules_after(code) & set(HEAVY) == set()


WITHOUT = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("sklearn", "pandas", "matplotlib", "boto3", "scapy", "duckdb"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
import runpy
sys.argv = ["index.py", *sys.argv[1:]]
runpy.run_path("index.py", run_name="__main__")
"""


def without_heavy(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )


def test_a_sensor_without_the_heavy_packages_scans(tmp_path):
    log = tmp_path / "auth.log"
    log.write_text(
        "Jan 13 10:30:45 host sshd[1]: Failed password for root from 192.0.2.7 port 22 ssh2\n"
    )
    done = without_heavy("scan", str(log), "--format", "jsonl")
    assert done.returncode == 1, done.stderr
    assert '"ip":"192.0.2.7"' in done.stdout


def test_a_sensor_without_the_heavy_packages_starts(tmp_path):
    done = without_heavy(
        "start",
        "--interface",
        "lo",
        "--dir",
        str(tmp_path),
        "--app-log",
        str(tmp_path / "x.log"),
        "--duration",
        "1",
        "--config",
        str(config(tmp_path)),
    )
    assert done.returncode == 0, done.stderr


def test_what_is_missing_is_e005_with_the_line_that_installs_it(tmp_path, monkeypatch):
    from mlids.analyzer import Analyzer
    from mlids.errors import MLIDSError

    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MLIDSError) as caught:
        Analyzer(tmp_path).load_data()
    assert caught.value.code == "E005"
    assert "pip install pandas" in caught.value.hint


def config(folder: Path) -> Path:
    path = folder / "config.yaml"
    path.write_text(f'logging: {{logs_dir: "{folder}/logs"}}\n')
    return path
