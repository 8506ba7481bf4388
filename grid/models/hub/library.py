"""The parts of huggingface_hub that it does not export for type checkers."""

from __future__ import annotations

from typing import Any


def utilities() -> Any:
    """`huggingface_hub.utils`, whose names are public and resolved when they are asked for."""
    from huggingface_hub import utils

    return utils
