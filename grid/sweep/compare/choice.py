"""Which variants are compared: a sweep's, each as a cell of this machine or with why it is none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from grid.cells.cell import Cell
from grid.engine.environments import CPU, device_of, found, obstacle
from grid.errors import InputError, did_you_mean
from grid.hardware.node import Node
from grid.hardware.probe import available_memory, probe_node
from grid.plan.expand import expand
from grid.plan.plan import Plan
from grid.plan.sources import WHOLE
from grid.plan.sweep import Latency, Sweep
from grid.sweep.planner import backends_of

MOST_TOKENS = 4096
"""Of one output."""

BYTES_A_TOKEN = 4
"""Of a prompt, before an engine has cut it: for whether it fits."""


class Choice(NamedTuple):
    """A variant that can be run here, as the cell of one request; `note` is what its user should
    know of it."""

    cell: Cell
    note: str = ""


class Unusable(NamedTuple):
    """A variant that cannot be run here, and why."""

    label: str
    model: str
    quant: str
    backend: str
    artifact_id: str
    reason: str


def request_of(prompt: str, tokens: int) -> Latency:
    """The request that is planned for. Raises InputError for a prompt or a length that is none."""
    if not prompt.strip():
        raise InputError("the prompt is empty; give a text to go on with")
    if not 1 <= tokens <= MOST_TOKENS:
        raise InputError(f"--tokens {tokens}: give 1 to {MOST_TOKENS}")
    guess = max(1, len(prompt.encode(errors="replace")) // BYTES_A_TOKEN)
    return Latency(prompt=guess, generate=tokens, repetitions=1)


def chosen_of_sweep(
    sweep: Sweep, quants: Sequence[str], prompt: str, tokens: int, node: Node | None = None
) -> list[Choice | Unusable]:
    """A sweep's artifacts in its backends, of these quants or (without any) of all.

    Of an engine's options with several values the first is taken. Raises InputError for what the
    sweep says wrongly and for a quant that none of its models comes in.
    """
    request = request_of(prompt, tokens)
    plan = plan_here(_narrowed(sweep, quants), request, node or probe_node())
    chosen = [one for one in each_of(plan) if _wanted(one, quants)]
    there = {one.cell.artifact.quant if isinstance(one, Choice) else one.quant for one in chosen}
    for quant in quants:
        if quant not in there and not (quant in WHOLE and WHOLE & there):
            known = {cell.artifact.quant for cell in (*plan.cells, *_skipped(plan))}
            raise InputError(f"{sweep.file}: no quant {quant!r}. {did_you_mean(quant, known)}")
    return chosen


def plan_here(sweep: Sweep, request: Latency, node: Node) -> Plan:
    """What one request to each artifact of a sweep comes to on this machine. Raises InputError."""
    asked = backends_of(sweep)
    first = {
        name: {k: v[0] if isinstance(v, list) else v for k, v in options.items()}
        for name, options in sweep.options.items()
    }
    return expand(
        replace(sweep, measures=("latency",), latency=request, options=first),
        asked,
        node,
        available_memory(),
        {name: hindrance(name, node) for name in asked},
        {name for name in asked if device_of(name, node) == CPU},
    )


def hindrance(name: str, node: Node) -> str:
    """Why a backend cannot be run now; making its environment, which takes minutes, is left to the
    user."""
    if found(name, node) is None:
        return f"the environment of {name} is not made here; `grid backends install {name}`"
    return obstacle(name, node)


def each_of(plan: Plan) -> list[Choice | Unusable]:
    """All artifacts of a plan: 16 bits first, then by size."""
    chosen: list[Choice | Unusable] = [Choice(cell) for cell in plan.cells]
    chosen += [unusable(skip.cell, skip.reason) for skip in plan.skipped]
    order = {cell.id: index for index, cell in enumerate(plan.cells)}
    return sorted(chosen, key=lambda one: _place(one, order))


def unusable(cell: Cell, reason: str) -> Unusable:
    artifact = cell.artifact
    return Unusable(
        artifact.label, artifact.model.name, artifact.quant, cell.backend, artifact.id, reason
    )


def _place(one: Choice | Unusable, order: dict[str, int]) -> int:
    return order[one.cell.id] if isinstance(one, Choice) else len(order)


def _skipped(plan: Plan) -> Iterable[Cell]:
    return (skip.cell for skip in plan.skipped)


def _narrowed(sweep: Sweep, quants: Sequence[str]) -> Sweep:
    if not quants:
        return sweep
    models = tuple(
        replace(entry, quants=tuple(quants)) if entry.source else entry for entry in sweep.models
    )
    return replace(sweep, models=models)


def _wanted(one: Choice | Unusable, quants: Sequence[str]) -> bool:
    quant = one.cell.artifact.quant if isinstance(one, Choice) else one.quant
    return not quants or quant in quants or (quant in WHOLE and bool(WHOLE & {*quants}))
