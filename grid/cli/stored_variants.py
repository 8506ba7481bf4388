"""Variants that a store has rows of, as cells of this machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow.compute as pc

from grid.advice.offered_rows import offered_rows
from grid.analysis.dataset import Dataset
from grid.backend.registry import backend, names
from grid.cells.cell import Options
from grid.errors import GridError, InputError, did_you_mean
from grid.hardware.node import Node
from grid.hardware.probe import probe_node
from grid.plan.load import load_sweep
from grid.plan.origin import BUNDLED
from grid.plan.sweep import ModelEntry, Sweep
from grid.results.problems import explain_no_results
from grid.sweep.compare.choice import (
    Choice,
    Unusable,
    choices_of_plan,
    plan_request,
    request_of,
    unusable_choice,
)

_COLUMNS = (
    "artifact_id", "model", "quant", "format", "quantizer", "model_source", "backend", "options",
    "device_kind", "artifact_bytes", "parameters",
)  # fmt: skip


class StoredVariant(NamedTuple):
    """An artifact in an engine that a store has rows of. `ids` are those of its variants, one for
    each hardware class."""

    label: str
    artifact_id: str
    model: str
    quant: str
    format: str
    quantizer: str
    source: str
    backend: str
    options: Options
    device_kind: str
    bytes: int
    parameters: int
    ids: tuple[str, ...]

    def is_called(self, wanted: str) -> bool:
        """Whether a variant's or artifact's id, or a label, means this one."""
        return wanted in (self.artifact_id, *self.ids) or wanted.lower() == self.label.lower()


def stored_variants(store: str | Path, of_tests: bool = False) -> list[StoredVariant]:
    """The measured variants of a store, each artifact in an engine with its options once: small
    models first, then by size; those of backends for tests where there are no others, or with
    `of_tests`. Raises InputError where there is none."""
    dataset = Dataset(store) if of_tests else offered_rows(Dataset(store))
    rows = _artifacts(dataset)
    variants: dict[tuple[str, str, str], StoredVariant] = {}
    for variant in dataset.named_variants():
        row = rows.get(variant.artifact_id)
        if row is None or row["model_source"] is None:
            continue
        options = _computing_options(variant.backend, variant.options)
        key = (variant.artifact_id, variant.backend, options)
        ids = (*(variants[key].ids if key in variants else ()), variant.id)
        variants[key] = _stored(row, variant.backend, variant.options, variant.device_kind, ids)
    if not variants:
        if dataset.is_empty:
            raise InputError(explain_no_results(dataset.display_name, dataset.problems))
        raise InputError(f"no measured results in {dataset.display_name}; `grid sweep` fills it")
    return sorted(variants.values(), key=lambda v: (v.parameters, v.model, -v.bytes))


def _artifacts(dataset: Dataset) -> dict[str, dict[str, Any]]:
    """One row of each artifact that was measured, by its id."""
    attempts = dataset.overview.attempts
    measured = attempts.filter(pc.field("origin").is_null() | (pc.field("origin") == ""))
    last = measured.group_by("artifact_id").aggregate([("attempt_id", "max")])["attempt_id_max"]
    rows = dataset.results.read("attempts", _COLUMNS, last.combine_chunks())
    return {row["artifact_id"]: row for row in rows.to_pylist()}


def choose_from_store(
    store: str | Path,
    wanted: Sequence[str],
    prompt: str,
    tokens: int,
    node: Node | None = None,
) -> list[Choice | Unusable]:
    """Variants of a store by id or label (`small Q4_K_M`), all of them where none is named.

    Raises InputError for a name that the store does not have.
    """
    request_of(prompt, tokens)  # a wrong one before anything is read
    variants = stored_variants(store, of_tests=bool(wanted))
    for name in wanted:
        if not any(variant.is_called(name) for variant in variants):
            hint = did_you_mean(name, [variant.label for variant in variants])
            raise InputError(f"no variant {name!r} in {store}. {hint}".rstrip())
    if wanted:
        variants = [variant for variant in variants if any(map(variant.is_called, wanted))]
    return plan_variants(variants, prompt, tokens, node or probe_node())


def plan_variants(
    variants: Sequence[StoredVariant], prompt: str, tokens: int, node: Node
) -> list[Choice | Unusable]:
    """Each as it can be run on a node. Raises InputError for a prompt or a length that is none."""
    request = request_of(prompt, tokens)
    return [_choose(variant, node, request) for variant in variants]


def _choose(variant: StoredVariant, node: Node, request: Any) -> Choice | Unusable:
    """A variant as a cell of this machine. A hindrance of one does not touch the others."""
    try:
        plan = plan_request(_sweep_of(variant, node), request, node)
    except GridError as error:
        return _unusable(variant, str(error).removeprefix(f"{variant.label}: models[0]: "))
    choices = choices_of_plan(plan)
    for choice in choices:
        if _matches(choice, variant, exact=True):
            return choice
    for choice in choices:
        if _matches(choice, variant, exact=False):
            if isinstance(choice, Unusable):
                return choice
            quantizer = choice.cell.artifact.quantizer
            note = "the weights have changed since the rows were made"
            if quantizer:
                note = f"made anew by {quantizer}; the rows are of {variant.quantizer}"
            return Choice(choice.cell, note)
    return _unusable(variant, "it cannot be made here again from what the rows say")


def _matches(choice: Choice | Unusable, variant: StoredVariant, *, exact: bool) -> bool:
    flat = unusable_choice(choice.cell, "") if isinstance(choice, Choice) else choice
    if flat.backend != variant.backend:
        return False
    return flat.artifact_id == variant.artifact_id if exact else flat.quant == variant.quant


def _unusable(variant: StoredVariant, reason: str) -> Unusable:
    v = variant
    return Unusable(v.label, v.model, v.quant, v.backend, v.artifact_id, reason)


def _sweep_of(variant: StoredVariant, node: Node) -> Sweep:
    """A sweep of just this artifact in its engine."""
    from_source = bool(variant.quantizer) or variant.source.startswith(BUNDLED)
    entry = ModelEntry(
        source=variant.source if from_source else "",
        quants=(variant.quant,) if from_source else (),
        files=() if from_source else (variant.source,),
        name=variant.model,
        dequantize=from_source,  # as the rows' own sweep allowed, where it is quantized
    )
    speed_only = backend(variant.backend).speed_only
    options = {k: v for k, v in variant.options.items() if k not in speed_only}
    same_device = variant.device_kind == node.device_kind
    makers = _makers(variant) if variant.quantizer else ()
    return msgspec.structs.replace(
        load_sweep(),
        name=variant.label,
        file=variant.label,
        base=str(Path.cwd()),
        models=(entry,),
        quants=(),
        backends=tuple(dict.fromkeys((variant.backend, *makers))),
        options={variant.backend: options} if same_device else {},
    )


def _makers(variant: StoredVariant) -> Iterable[str]:
    """Backends that can make the variant's quant in its format."""
    for name in names():
        recipe = backend(name).recipes().get(variant.quant)
        formats = backend(name).formats  # none: it only converts, for a backend that names it
        if recipe is not None and formats and variant.format in (recipe.format, *formats):
            yield name


def _computing_options(name: str, options: str) -> str:
    """The options that change what is computed, as a key."""
    try:
        speed_only = backend(name).speed_only
    except InputError:  # it is not installed here
        speed_only = frozenset()
    fields = msgspec.json.decode(options, type=dict)
    return str(sorted((k, str(v)) for k, v in fields.items() if k not in speed_only))


def _stored(
    row: dict[str, Any], engine: str, options: str, device_kind: str, ids: tuple[str, ...]
) -> StoredVariant:
    return StoredVariant(
        label=f"{row['model']} {row['quant']}",
        artifact_id=row["artifact_id"],
        model=row["model"],
        quant=row["quant"],
        format=row["format"],
        quantizer=row["quantizer"] or "",
        source=row["model_source"],
        backend=engine,
        options=msgspec.json.decode(options, type=dict),
        device_kind=device_kind,
        bytes=row["artifact_bytes"] or 0,
        parameters=row["parameters"] or 0,
        ids=ids,
    )
