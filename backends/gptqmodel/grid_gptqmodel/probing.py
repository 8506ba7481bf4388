"""What of the engine is installed, asked in its own environment."""

from __future__ import annotations

import importlib.util
from importlib.metadata import version

import msgspec
from grid_transformers import probing

from grid.backend import Availability
from grid.hardware.node import Node


def probe(node: Node, mend: str) -> Availability:
    """Imports torch and transformers, and looks for GPTQModel, whose own import takes seconds."""
    if importlib.util.find_spec("gptqmodel") is None:
        return Availability(ready=False, reason="gptqmodel is not installed", mend=mend)
    found = probing.probe(node, mend)
    if not found.ready:
        return found
    said = f"gptqmodel {version('gptqmodel')}, {found.version}"
    return msgspec.structs.replace(found, version=said)
