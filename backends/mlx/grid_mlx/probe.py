"""What of the engine is installed, asked in its own environment."""

from __future__ import annotations

from grid.backend import Availability, Declaration, EngineError, Node
from grid_mlx import library


def probe(declaration: Declaration, node: Node) -> Availability:
    """Imports MLX; devices are those that it can compute on."""
    absent = library.missing()
    if absent:
        return declaration.unavailable(f"not installed: {', '.join(absent)}")
    try:
        devices = library.devices()
    except EngineError as error:
        mend = f"{declaration.install_command} --reinstall"
        return declaration.unavailable(str(error), mend)
    return Availability(ready=True, version=library.versions(), devices=devices)
