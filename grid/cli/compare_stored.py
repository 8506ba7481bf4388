"""Variants that a store has rows of, as cells of this machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow.compute as pc

from grid.analysis.dataset import Dataset
from grid.backend.registry import backend, names
from grid.cells.cell import Options
from grid.errors import GridError, InputError, did_you_mean
from grid.hardware.node import Node
from grid.hardware.probe import probe_node
from grid.plan.load import load_sweep
from grid.plan.origin import BUNDLED
from grid.plan.sweep import ModelEntry, Sweep
from grid.results.problems import nothing_there
from grid.sweep.compare.choice import Choice, Unusable, each_of, plan_here, request_of, unusable

_COLUMNS = (
    "artifact_id", "model", "quant", "format", "quantizer", "model_source", "backend", "options",
    "device_kind", "artifact_bytes", "parameters",
)  # fmt: skip


class Stored(NamedTuple):
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


def stored_variants(store: str | Path) -> list[Stored]:
    """What a store has measured rows of, each artifact in an engine with its options once: small
    models first, then by size. Raises InputError where there is none."""
    dataset = Dataset(store)
    rows = _artifacts(dataset)
    found: dict[tuple[str, str, str], Stored] = {}
    for variant in dataset.bare():
        row = rows.get(variant.artifact_id)
        if row is None or row["model_source"] is None:
            continue
        key = (variant.artifact_id, variant.backend, _lasting(variant.backend, variant.options))
        ids = (*(found[key].ids if key in found else ()), variant.id)
        found[key] = _stored(row, variant.backend, variant.options, variant.device_kind, ids)
    if not found:
        if dataset.empty:
            raise InputError(nothing_there(dataset.shown, dataset.problems))
        raise InputError(f"no measured results in {dataset.shown}; `grid sweep` fills it")
    return sorted(found.values(), key=lambda one: (one.parameters, one.model, -one.bytes))


def _artifacts(dataset: Dataset) -> dict[str, dict[str, Any]]:
    """One row of each artifact that was measured, by its id."""
    attempts = dataset.overview.attempts
    measured = attempts.filter(pc.field("origin").is_null() | (pc.field("origin") == ""))
    last = measured.group_by("artifact_id").aggregate([("attempt_id", "max")])["attempt_id_max"]
    rows = dataset.results.read("attempts", _COLUMNS, last.combine_chunks())
    return {row["artifact_id"]: row for row in rows.to_pylist()}


def chosen_of_store(
    store: str | Path,
    wanted: Sequence[str],
    prompt: str,
    tokens: int,
    node: Node | None = None,
) -> list[Choice | Unusable]:
    """Variants of a store by id or label (`small Q4_K_M`), all of them where none is named.

    Raises InputError for a name that the store does not have.
    """
    request = request_of(prompt, tokens)
    known = stored_variants(store)
    chosen = [one for one in known if not wanted or any(map(one.is_called, wanted))]
    for name in wanted:
        if not any(one.is_called(name) for one in known):
            hint = did_you_mean(name, [one.label for one in known])
            raise InputError(f"no variant {name!r} in {store}. {hint}".rstrip())
    node = node or probe_node()
    return [_here(one, node, request) for one in chosen]


def _here(one: Stored, node: Node, request: Any) -> Choice | Unusable:
    """As a cell of this machine. What is in the way of one is no matter of the others."""
    try:
        plan = plan_here(_sweep_of(one, node), request, node)
    except GridError as error:
        return _gone(one, str(error).removeprefix(f"{one.label}: models[0]: "))
    found = each_of(plan)
    for choice in found:
        if _is(choice, one, exact=True):
            return choice
    for choice in found:
        if _is(choice, one, exact=False):
            if isinstance(choice, Unusable):
                return choice
            made = choice.cell.artifact.quantizer
            told = f"made anew by {made}; the rows are of {one.quantizer}" if made else ""
            return Choice(choice.cell, told or "the weights have changed since the rows were made")
    return _gone(one, "it cannot be made here again from what the rows say")


def _is(choice: Choice | Unusable, one: Stored, *, exact: bool) -> bool:
    flat = unusable(choice.cell, "") if isinstance(choice, Choice) else choice
    if flat.backend != one.backend:
        return False
    return flat.artifact_id == one.artifact_id if exact else flat.quant == one.quant


def _gone(one: Stored, reason: str) -> Unusable:
    return Unusable(one.label, one.model, one.quant, one.backend, one.artifact_id, reason)


def _sweep_of(one: Stored, node: Node) -> Sweep:
    """A sweep of just this artifact in its engine."""
    given = bool(one.quantizer) or one.source.startswith(BUNDLED)
    entry = ModelEntry(
        source=one.source if given else "",
        quants=(one.quant,) if given else (),
        files=() if given else (one.source,),
        name=one.model,
    )
    alike = one.device_kind == node.device_kind
    lasting = {k: v for k, v in one.options.items() if k not in backend(one.backend).speed_only}
    makers = _makers(one) if one.quantizer else ()
    return msgspec.structs.replace(
        load_sweep(),
        name=one.label,
        file=one.label,
        base=str(Path.cwd()),
        models=(entry,),
        quants=(),
        backends=tuple(dict.fromkeys((one.backend, *makers))),
        options={one.backend: lasting} if alike else {},
    )


def _makers(one: Stored) -> Iterable[str]:
    for name in names():
        recipe = backend(name).recipes().get(one.quant)
        if recipe is not None and one.format in (recipe.format, *backend(name).formats):
            yield name


def _lasting(name: str, options: str) -> str:
    """The options that change what is computed, as a key."""
    try:
        speed_only = backend(name).speed_only
    except InputError:  # it is not installed here
        speed_only = frozenset()
    given = msgspec.json.decode(options, type=dict)
    return str(sorted((k, str(v)) for k, v in given.items() if k not in speed_only))


def _stored(
    row: dict[str, Any], engine: str, options: str, device_kind: str, ids: tuple[str, ...]
) -> Stored:
    return Stored(
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
