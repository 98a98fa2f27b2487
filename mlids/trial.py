"""A trial of the settings: whether every plugin that they ask for takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlids import assembly
from mlids.batches import ChangeBatch, LineBatch, PacketBatch
from mlids.errors import ConfigError, MLIDSError

KINDS = (PacketBatch, LineBatch, ChangeBatch)


def require(settings: Any) -> None:
    """Build every plugin and throw it away; nothing is opened.

    The types of the settings leave things open (a network that is none, a secret that the
    environment lacks). Raises `ConfigError` E002 for these, so that nothing that runs is ended for
    settings that cannot run.
    """
    try:
        assembly.handlers(settings)
        assembly.live_monitors(settings, Path(), [])
        assembly.correlators(settings)
        for kind in KINDS:
            assembly.detectors(settings, kind)
    except MLIDSError:
        raise
    except (ValueError, TypeError) as error:  # of a plugin's constructor
        raise ConfigError("E002", " ".join(str(error).split())) from error
