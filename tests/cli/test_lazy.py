import subprocess
import sys

import pytest

BEGIN = """
import sys, threading
from mlids.cli import lazy
lazy.install(["numpy", "no_such_package"])
import numpy as np
import inspect
assert not inspect.isclass(np)
assert "numpy._core" not in sys.modules
"""


def ran(code):
    done = subprocess.run([sys.executable, "-c", BEGIN + code], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "code",
    [
        "print(np.arange(3).sum())",
        "from numpy import arange; print(arange(3).sum())",
        "import numpy.linalg; print(np.arange(3).sum())",
    ],
)
def test_a_package_loads_when_it_is_used(code):
    assert ran(code) == (0, "3\n", "")


def test_many_threads_may_use_it_first():
    code = """
found = []
threads = [threading.Thread(target=lambda: found.append(int(np.arange(3).sum()))) for _ in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
print(found)
"""
    assert ran(code) == (0, "[3, 3, 3, 3, 3, 3, 3, 3]\n", "")


def test_what_is_loaded_or_missing_stays_as_it_is():
    assert ran("lazy.install(['json']); import json; print(json.dumps(1))") == (0, "1\n", "")
    assert ran("import no_such_package")[0] == 1
