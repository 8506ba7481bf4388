"""The model that hardware is looked for: from a store, a file, a public configuration or a size."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from grid.advice.prediction.quants import bits
from grid.advice.quant_names import check_quant
from grid.analysis import Variant
from grid.analysis.dataset import Dataset
from grid.errors import InputError
from grid.models.detect import format_of
from grid.models.names import spelling_key
from grid.models.public import PublicModel, computed_size, find_model, public_models
from grid.units import format_bytes

USUAL_QUANT = "Q4_K_M"
"""What is looked for where nobody names a quant, as most people run it."""

GGUF = "gguf"
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([MBT])(?:[-_. ]?A(\d+(?:\.\d+)?)\s*([MB]))?", re.IGNORECASE)
"""`8B`, `30B-A3B`: nothing but a number of weights, and of those that a token uses."""
_UNIT = {"M": 1e6, "B": 1e9, "T": 1e12}


@dataclass(frozen=True)
class TargetModel:
    """A model at one quant. `variant` has its size and shape; `measured` are the store's variants
    of just this, on any class; `source` says where the facts are from, `notes` what was assumed."""

    variant: Variant
    source: str
    measured: tuple[Variant, ...] = ()
    notes: tuple[str, ...] = ()


def find_target(text: str, quant: str | None, dataset: Dataset | None = None) -> TargetModel:
    """The model that `text` names: a GGUF file or a folder in the hub's layout, a model of the
    store, one whose configuration is public, or a size such as `8B` or `30B-A3B`.

    Raises InputError with the nearest names for a model that nobody knows, and for a quant.
    """
    text = text.strip()
    if not text:
        raise InputError("name the model: a file, a name, or a size such as 8B")
    path = _expanded(text)
    if _exists(path) or text.endswith((".gguf", ".safetensors")):
        return _of_file(path, quant)
    variants = [] if dataset is None else dataset.all_variants()
    own = [v for v in variants if spelling_key(v.model) == spelling_key(text)]
    if own:
        return _of_store(own, quant)
    public = find_model(text)
    if public is not None:
        return _of_public(public, text, check_quant(quant or public.native_preset or USUAL_QUANT))
    size = _SIZE.fullmatch(text)
    if size is not None:
        return _of_size(text, size, check_quant(quant or USUAL_QUANT))
    names = {*(model.name for model in public_models()), *(v.model for v in variants)}
    near = _nearest_names(text, names)
    raise InputError(f"no model {text!r} is known. {near}Name its file, or its size: 8B, 30B-A3B")


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise InputError(
            f"{text}: no such home folder; set HOME, or write the whole path"
        ) from error


def _exists(path: Path) -> bool:
    """False also for a text that is too long for a path."""
    try:
        return path.exists()
    except OSError:
        return False


def _nearest_names(text: str, names: Iterable[str]) -> str:
    by_key = {spelling_key(name): name for name in names}
    near = difflib.get_close_matches(spelling_key(text), by_key, n=3, cutoff=0.5)
    return f"Nearest: {', '.join(by_key[key] for key in near)}. " if near else ""


def _of_file(path: Path, quant: str | None) -> TargetModel:
    if not path.exists():
        raise InputError(f"{path}: no such file; name a GGUF file or a folder with config.json")
    from grid.models.checkpoint.inspection import inspect as inspect_checkpoint
    from grid.models.gguf.inspection import inspect as inspect_gguf

    inspection = (inspect_checkpoint if path.is_dir() else inspect_gguf)(path)
    model, facts = inspection.model, inspection.facts
    variant = _variant(
        model.name, model.parameters, inspection.quant, facts.bytes,
        family=model.family, format=format_of(path), context_length=model.context_length or None,
        layers=model.layers, active_parameters=model.active_parameters, experts=model.experts,
        weight_parts=facts.parts,
    )  # fmt: skip
    target = TargetModel(variant, f"the headers of {path.name}")
    return target if quant is None else _at_quant(target, check_quant(quant, inspection.quant))


def _of_store(variants: Sequence[Variant], quant: str | None) -> TargetModel:
    """A quant that the store has as it is there; another with the size that it would have."""
    names = sorted({v.quant for v in variants})
    wanted = check_quant(quant or USUAL_QUANT, *names)
    own = [v for v in variants if v.quant.casefold() == wanted.casefold() and v.artifact_bytes]
    if own:
        best = max(own, key=lambda v: (bool(v.layers), len(v.decode), v.id))
        return TargetModel(best, _source(own), tuple(own))
    largest = max(variants, key=lambda v: (bool(v.layers), v.parameters, v.artifact_bytes, v.id))
    if not largest.parameters:
        raise InputError(
            f"{largest.model} has no {wanted} in the store, which knows {', '.join(names)}; "
            "without its number of weights no other size can be computed"
        )
    target = TargetModel(largest, _source(variants))
    return _at_quant(target, wanted)


def _source(variants: Sequence[Variant]) -> str:
    origins = sorted({variant.origin for variant in variants})
    if "" in origins:
        return "measured rows of the store"
    return f"third-party figures in the store ({', '.join(origins)})"


def _of_public(model: PublicModel, name: str, quant: str) -> TargetModel:
    variant = _variant(
        name, model.parameters, quant, context_length=model.context_length, layers=model.layers,
        active_parameters=model.active_parameters, experts=model.weights.experts,
        weight_parts=model.weights.parts,
    )  # fmt: skip
    return _at_quant(TargetModel(variant, f"the public configuration of {model.name}"), quant)


def _of_size(text: str, size: re.Match[str], quant: str) -> TargetModel:
    """A model of which only the size is known, with the shape of the nearest public one."""
    total = float(size[1]) * _UNIT[size[2].upper()]
    active = float(size[3]) * _UNIT[size[4].upper()] if size[3] else total
    if not 0 < active <= total:
        raise InputError(f"{text!r}: a token uses at most all weights; write for example 30B-A3B")
    alike = _nearest_in_size(total, mixture=active < total)
    variant = _variant(
        text, round(total), quant, context_length=alike.context_length, layers=alike.layers,
        active_parameters=round(active),
    )  # fmt: skip
    note = f"its cache is taken to be that of {alike.name}, the nearest public model in size"
    return _at_quant(TargetModel(variant, "its size alone", notes=(note,)), quant)


def _nearest_in_size(parameters: float, *, mixture: bool) -> PublicModel:
    models = [model for model in public_models() if model.is_mixture == mixture]
    return min(models, key=lambda model: (abs(math.log(model.parameters / parameters)), model.name))


def _at_quant(target: TargetModel, quant: str) -> TargetModel:
    """The target with the size that its weights would have at this quant."""
    variant = target.variant
    if quant.casefold() == variant.quant.casefold() and variant.artifact_bytes:
        return target
    computed = computed_size(variant.model, variant.parameters, quant, GGUF)
    width = computed.bits if computed else bits(quant)
    size = computed.bytes if computed else round(variant.parameters * width / 8)
    parts = variant.weight_parts
    note = f"size computed: {variant.parameters / 1e9:.3g}B weights x {width:.3g} bits"
    return replace(
        target,
        variant=replace(
            variant, quant=quant, artifact_bytes=size, artifact_id="", format=GGUF,
            weight_parts=parts.scaled(size / parts.total) if parts and parts.total else None,
        ),
        measured=(),
        notes=(*target.notes, f"{note} = {format_bytes(size)}"),
    )  # fmt: skip


def _variant(
    model: str,
    parameters: int,
    quant: str,
    size: int = 0,
    *,
    family: str = "",
    format: str = GGUF,
    **shape: object,
) -> Variant:
    """A variant that nobody measured."""
    return replace(
        Variant(
            model=model, family=family, parameters=parameters, quant=quant, format=format,
            artifact_id="", artifact_bytes=size, bpw_file=None, bpw_layer=None, backend="llamacpp",
            options="{}", hardware_class="", device_kind="",
        ),
        **shape,  # type: ignore[arg-type]
    )  # fmt: skip
