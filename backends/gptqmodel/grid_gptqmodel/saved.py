"""A folder as GPTQModel saved it, made independent of the machine and of the run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from grid_gptqmodel.source import Source

_TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "generation_config.json",
)
_OF_THE_RUN = ("quant_log.csv",)
_PLACES = ("offload_to_disk_path",)


def tidy(source: Source, folder: Path) -> None:
    """The source's own tokenizer instead of a rewritten one; no log, no path of this machine."""
    for name in _OF_THE_RUN:
        (folder / name).unlink(missing_ok=True)
    for name in _TOKENIZER:
        (folder / name).unlink(missing_ok=True)
        if (source.folder / name).is_file():
            shutil.copyfile(source.folder / name, folder / name)
    for name in ("config.json", "quantize_config.json"):
        path = folder / name
        if path.is_file():
            values = json.loads(path.read_text(encoding="utf-8"))
            path.write_text(json.dumps(_placeless(values), indent=2) + "\n", encoding="utf-8")


def _placeless(values: Any) -> Any:
    if not isinstance(values, dict):
        return values
    return {name: _placeless(value) for name, value in values.items() if name not in _PLACES}
