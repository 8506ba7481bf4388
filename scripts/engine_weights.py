"""Checkpoints of the bundled family's smallest model, made by the backends that quantize."""

from __future__ import annotations

from pathlib import Path

from grid.backend import Calibration
from grid.cells.texts import CALIBRATION, read_text
from grid.engine import messages
from grid.engine.environments import ensure_environment
from grid.engine.process import EngineProcess
from grid.hardware.node import Node
from grid.models import bundled

LIMIT_S = 1500


def make_weights(backend: str, recipe: str, target: Path, node: Node) -> None:
    """Write `target` at `recipe` in the backend's own environment, which is made if it is missing.

    The calibration set, left beside it, is small: enough to make weights, too little to judge them.
    Raises EngineError where they cannot be made.
    """
    text = read_text(CALIBRATION)
    path = target.with_name("calibration.txt")
    path.write_text(text.text)
    request = messages.Quantize(
        backend=backend,
        source=str(bundled.size_dir("small")),
        recipe=recipe,
        target=str(target),
        threads=node.cores,
        calibration=Calibration(path=str(path), sha256=text.sha256, samples=16, tokens=128),
    )
    interpreter = ensure_environment(backend, node)
    with EngineProcess(interpreter.python, interpreter.imports) as process:
        process.ask(request, LIMIT_S)
