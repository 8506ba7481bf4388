"""The calibration set as token ids."""

from __future__ import annotations

from pathlib import Path

from grid_transformers.tokenizer import FolderTokenizer

from grid.backend import Calibration, EngineError


def pieces(calibration: Calibration, folder: Path) -> list[list[int]]:
    """Up to `samples` pieces of `tokens` ids, cut one after the other from the tokens of the text,
    by the tokenizer in `folder`. Raises EngineError where the text has not one piece."""
    path = Path(calibration.path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EngineError(f"calibration text {path} cannot be read: {error}") from error
    ids = FolderTokenizer(folder).encode(text)
    size = calibration.tokens
    count = min(calibration.samples, len(ids) // size)
    if count == 0:
        raise EngineError(
            f"calibration text {path.name} has {len(ids)} tokens, fewer than one piece of {size}; "
            "take a longer text or shorter pieces"
        )
    return [ids[start : start + size] for start in range(0, count * size, size)]
