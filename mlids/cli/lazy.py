"""Packages that load at the first use of one of their names, not at their import."""

from __future__ import annotations

import importlib.util
import sys
import threading
import types
from collections.abc import Iterable
from typing import Any


class LazyModule(types.ModuleType):
    """A module that is not loaded yet; loads in whichever thread uses it first.

    Unlike that of `importlib.util.LazyLoader`, it does not load when an import statement looks at
    its `__spec__`, or `inspect.isclass` at its `__class__`.
    """

    def __getattribute__(self, name: str) -> Any:
        if name in ("__spec__", "__class__"):
            return object.__getattribute__(self, name)
        state = object.__getattribute__(self, "__dict__")
        with state["__lazy_lock__"]:
            if type(self) is LazyModule and not state["__lazy_loading__"]:
                state["__lazy_loading__"] = True
                state["__spec__"].loader.exec_module(self)
                object.__setattr__(self, "__class__", types.ModuleType)
        return object.__getattribute__(self, name)


def install(names: Iterable[str]) -> None:
    """Make these packages lazy, unless they are loaded or missing."""
    for name in names:
        if name in sys.modules or not (spec := importlib.util.find_spec(name)):
            continue
        module = importlib.util.module_from_spec(spec)
        vars(module).update(__lazy_lock__=threading.RLock(), __lazy_loading__=False)
        module.__class__ = LazyModule
        sys.modules[name] = module
