"""What of the engine is installed, asked in its own environment."""

from __future__ import annotations

import importlib.util
from importlib.metadata import version

import msgspec
from grid_transformers import probe as transformers

from grid.backend import Availability, Declaration, Node


def probe(declaration: Declaration, node: Node) -> Availability:
    """Imports torch and transformers, and looks for GPTQModel, whose own import takes seconds."""
    if importlib.util.find_spec("gptqmodel") is None:
        return declaration.unavailable("gptqmodel is not installed")
    stack = transformers.probe(declaration, node)
    if not stack.ready:
        return stack
    return msgspec.structs.replace(
        stack, version=f"gptqmodel {version('gptqmodel')}, {stack.version}"
    )
