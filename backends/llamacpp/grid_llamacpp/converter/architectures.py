"""The architectures that the pinned converter knows, known before its environment is made."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from grid.backend import InputError, Unsupported, did_you_mean

_LIST = Path(__file__).with_name("architectures.txt")
"""Names of its registry of text models; a test in its environment holds them equal."""

_SUB_CONFIGS = ("text_config", "llm_config", "lm_config", "language_config")
"""Where models of several modalities describe their language model."""


@cache
def architectures() -> frozenset[str]:
    """Class names as `architectures` in config.json has them: `Qwen3ForCausalLM`."""
    return frozenset(_LIST.read_text(encoding="utf-8").split())


def refuse_unknown(source: Path) -> None:
    """Raises Unsupported, one line, for a folder of an architecture that the converter does not
    know, InputError for one without a readable config.json."""
    path = source / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    names = _architectures_of(config) if isinstance(config, dict) else []
    if not names:
        raise Unsupported(
            f"{path}: names no architectures, by which llama.cpp's converter knows a model; add "
            'them, such as "architectures": ["LlamaForCausalLM"]'
        )
    if not architectures().intersection(names):
        hint = did_you_mean(names[0], sorted(architectures()))
        raise Unsupported(
            f"{path}: llama.cpp's converter does not know the architecture {names[0]}. {hint}"
        )


def _architectures_of(config: dict[str, Any]) -> list[str]:
    """Of the whole and of its language model: the converter takes the one or the other."""
    parts = [config, *(config.get(name) for name in _SUB_CONFIGS)]
    lists = [part.get("architectures") for part in parts if isinstance(part, dict)]
    return [str(name) for names in lists if isinstance(names, list) for name in names]
