"""Parts of huggingface_hub that are not visible to type checkers."""

from __future__ import annotations

from typing import Any


def utilities() -> Any:
    """`huggingface_hub.utils`, whose public names are resolved at run time."""
    from huggingface_hub import utils

    return utils
