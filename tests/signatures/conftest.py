from __future__ import annotations

import pytest

from mlids import registry
from mlids.signatures.examples import Bench
from mlids.testing import START_NS, lines

FORMATS = {
    name: registry.plugin("formats", name)(
        **(
            {"timezone": "UTC"}
            if "timezone" in registry.plugin("formats", name).Settings.__struct_fields__
            else {}
        )
    )
    for name in registry.names("formats")
}


def likeliest(line: bytes):
    """The format that a line by itself most likely has."""
    return max(FORMATS.values(), key=lambda known: known.sniff(line + b"\n"))


@pytest.fixture(scope="session")
def bench():
    """Makes benches for libraries of rules."""

    def make(library) -> Bench:
        return Bench(
            library, likeliest, lambda line, known: lines(line, format=known, written=START_NS)
        )

    return make
