"""GGUF files that lie beside models and are none: what each is, and what to name instead."""

from __future__ import annotations

import re

from grid.errors import NotAModel
from grid.models.gguf.reader import GgufHeader

_HAND_CUT = re.compile(
    r"\.gguf(?:[.-](?:part[-_]?\w+|split[-_]?\w+|\d{1,3}|[a-z]{2})|\.\d+of\d+)$", re.IGNORECASE
)
"""`model.gguf.part1of2`, `model.gguf-split-a`, `model.gguf.00`, `model.gguf.aa`: what `split` and
scripts around it name the pieces of a file."""

_KINDS = {
    "imatrix": ("an importance matrix", "it weighs a quantization; name the model's own file"),
    "adapter": ("a LoRA adapter", "merge it into its base model first"),
    "mmproj": ("the image or audio part of a model (mmproj)", "name the language model's file"),
    "controlvector": ("a control vector", "name the model that it steers"),
    "vocab": ("a vocabulary without weights", "name a file with weights"),
}
"""By `general.type`, or what stands for it: (what the file is, what to do)."""


def refuse_hand_cut(name: str) -> None:
    """Raises NotAModel for the name of a piece of a GGUF file that was cut by bytes."""
    if _HAND_CUT.search(name):
        raise NotAModel(
            f"{name}: a piece of a GGUF file that was cut by bytes; join all pieces in their order "
            "into one .gguf file (cat), and name that"
        )


def refuse_companion(header: GgufHeader) -> None:
    """Raises NotAModel, which says what the file is, where it is no model."""
    kind = _kind(header)
    if kind:
        what, hint = _KINDS[kind]
        raise NotAModel(f"{header.path}: {what}, not a model; {hint}")


def _kind(header: GgufHeader) -> str:
    metadata = header.metadata
    written = metadata.get("general.type")
    architecture = metadata.get("general.architecture")
    if isinstance(written, str) and written in _KINDS:
        return written
    if any(key.startswith("imatrix.") for key in metadata):
        return "imatrix"
    if "adapter.type" in metadata or architecture == "controlvector":
        return "adapter" if "adapter.type" in metadata else "controlvector"
    if architecture == "clip":
        return "mmproj"
    if not header.tensors and "tokenizer.ggml.model" in metadata:
        return "vocab"
    return ""
