"""The file format `.fake`: a JSON object that declares a model, padded to the size it declares."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from grid.backend import Inspection, Recipe
from grid.errors import EngineError, InputError, Unsupported
from grid.models.artifact import ArtifactFacts
from grid.models.model import LayerState, Model

RECIPES = {
    name: Recipe(name=name, bits=bits)
    for name, bits in (("F16", 16.0), ("Q8", 8.0), ("Q4", 4.0), ("Q2", 2.0), ("BROKEN", 1.0))
}

LARGEST_PADDING = 2**20
"""Bytes beyond which a file is not padded: a test may declare a model of any size."""


class FakeFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a `.fake` file says. `bits` are per weight; `width` is key elements per layer."""

    fake: int
    """Version of the format."""
    name: str = "toy"
    family: str = "fake"
    quant: str = "F16"
    bits: float = 16.0
    seed: int = 0
    parameters: int = 100_000
    context_length: int = 4096
    layers: int = 2
    width: int = 64
    padding: str = ""


def write(path: Path, **fields: Any) -> Path:
    """Write a model; `fields` are FakeFile's. The size is parameters x bits / 8 up to 1 MiB."""
    save(path, FakeFile(fake=1, **fields))
    return path


def save(path: Path, content: FakeFile) -> None:
    size = min(round(content.parameters * content.bits / 8), LARGEST_PADDING)
    padded = msgspec.structs.replace(content, padding="0" * size)
    path.write_bytes(msgspec.json.encode(padded))


def read(path: Path) -> FakeFile:
    """Raises InputError where the file is missing, truncated or not of this format."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=FakeFile)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise InputError(f"{path}: not a .fake file: {error}") from None


def inspect(path: Path) -> Inspection:
    content = read(path)
    written = path.read_bytes()
    digest = sha256(written).hexdigest()
    model = Model(
        name=content.name,
        family=content.family,
        source=str(path),
        revision=digest,
        architecture="bigram",
        parameters=content.parameters,
        context_length=content.context_length,
        vocabulary=257,
        layers=(LayerState(key=content.width, value=content.width),) * content.layers,
    )
    facts = ArtifactFacts(
        bytes=len(written),
        sha256=digest,
        bpw_file=content.bits,
        bpw_layer=content.bits,
        elements=content.parameters,
    )
    return Inspection(model, content.quant, facts)


def quantize(source: Path, recipe: str, target: Path) -> None:
    """Write `source`, a .fake file of 16 bits or a folder in Hugging Face's layout, at `recipe`."""
    if recipe not in RECIPES:
        raise Unsupported(f"fake has no recipe {recipe}")
    if recipe == "BROKEN":
        raise EngineError("the recipe BROKEN always fails")
    content = _convert(source) if source.is_dir() else read(source)
    if content.bits < 16:
        raise EngineError(f"{source} has {content.bits:g} bits a weight; 16 are needed")
    save(target, msgspec.structs.replace(content, quant=recipe, bits=RECIPES[recipe].bits))


def _convert(folder: Path) -> FakeFile:
    """A model of the same shape, seeded by the weights."""
    config = json.loads((folder / "config.json").read_bytes())
    weights = (folder / "model.safetensors").read_bytes()
    return FakeFile(
        fake=1,
        name=folder.name,
        seed=int.from_bytes(sha256(weights).digest()[:4], "big"),
        parameters=len(weights) // 2,
        context_length=config["max_position_embeddings"],
        layers=config["num_hidden_layers"],
        width=config["hidden_size"],
    )
