"""MLIDS, a Multi-Level Intrusion Detection System.

::

    from mlids import MLIDS

    ids = MLIDS(config_file="config.yaml")
    ids.start()  # returns at once; events arrive in logs/mlids.jsonl and at registered handlers
    ids.stop()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlids.errors import MLIDSError

if TYPE_CHECKING:
    from mlids.app import MLIDS
    from mlids.config import create_default_config

__all__ = ["MLIDS", "MLIDSError", "create_default_config"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Importing a plugin must not import the whole program.
    if name == "MLIDS":
        from mlids.app import MLIDS

        return MLIDS
    if name == "create_default_config":
        from mlids.config import create_default_config

        return create_default_config
    raise AttributeError(f"module 'mlids' has no attribute {name!r}")
