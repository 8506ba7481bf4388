"""Detect the format of weights on disk, and the files that hold them."""

from __future__ import annotations

from pathlib import Path

from grid.models.gguf.companions import refuse_hand_cut


def format_of(path: Path) -> str:
    """The format of a weight file (its suffix) or of a folder in Hugging Face's layout (by what its
    config.json says).

    Raises InputError for a folder that is none, NotAModel for a piece of a file.
    """
    if not path.is_dir():
        refuse_hand_cut(path.name)
        return path.suffix.lstrip(".").lower()
    from grid.models.checkpoint.inspection import format_of as checkpoint_format

    return checkpoint_format(path)


def weight_files(path: Path) -> list[Path]:
    """The files that hold the weights: the path itself, or those that a folder's checkpoint is read
    from. Raises InputError for a folder whose weights are incomplete."""
    if not path.is_dir():
        return [path]
    from grid.models.checkpoint.files import read_weights

    return list(read_weights(path).paths)
