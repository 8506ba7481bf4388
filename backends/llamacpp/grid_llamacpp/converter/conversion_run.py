"""Runs llama.cpp's converter, in its own environment."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

from grid.backend import EngineError, Unsupported

_CODE = (".py", ".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".sh")
"""Files that the converter does not get: it would run a model's own code to read its tokenizer."""


def convert(source: Path, recipe: str, target: Path, threads: int) -> None:
    """Write the folder's weights as F32, F16 or BF16 to `target`.

    Raises EngineError or Unsupported with the converter's own reason, one line.
    """
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}  # nothing but the folder
    logging.disable(logging.INFO)
    import torch

    torch.set_num_threads(threads)
    try:
        with tempfile.TemporaryDirectory(dir=target.parent) as folder, torch.inference_mode():
            _write(_without_code(source, Path(folder) / source.resolve().name), recipe, target)
    except NotImplementedError as error:
        raise Unsupported(_line(source, error)) from error
    except OSError:
        raise  # of the disk: the caller says it
    except (Exception, SystemExit) as error:
        raise EngineError(_line(source, error)) from error


def _write(folder: Path, recipe: str, target: Path) -> None:
    import gguf
    from conversion import ModelBase, ModelType, get_model_architecture, get_model_class

    types = gguf.LlamaFileType
    kinds = {"F32": types.ALL_F32, "F16": types.MOSTLY_F16, "BF16": types.MOSTLY_BF16}
    architecture = get_model_architecture(ModelBase.load_hparams(folder, False), ModelType.TEXT)
    model_class = get_model_class(architecture)
    model = model_class(folder, kinds[recipe], target, model_name=folder.name)
    model.write()


def _without_code(source: Path, folder: Path) -> Path:
    """A folder of links to the files of `source` that hold no code."""
    folder.mkdir()
    for path in source.iterdir():
        if path.is_file() and path.suffix.lower() not in _CODE:
            (folder / path.name).symlink_to(path.resolve())
    for path in source.glob("*/config.json"):  # how an embedding model pools
        (folder / path.parent.name).mkdir()
        (folder / path.parent.name / path.name).symlink_to(path.resolve())
    return folder


def _line(source: Path, error: BaseException) -> str:
    reason = " ".join(str(error).split())[:300] or "it says no reason"
    return f"{source.name}: llama.cpp's converter stops: {type(error).__name__}: {reason}"
