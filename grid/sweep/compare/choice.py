"""Which variants are compared: a sweep's, each as a cell of this machine or with why it is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from grid.cells.cell import Cell
from grid.engine.environments import CPU, device_of, find_interpreter, why_unavailable
from grid.errors import InputError, did_you_mean
from grid.hardware.node import Node
from grid.hardware.probe import available_memory, probe_node
from grid.plan.expand import expand
from grid.plan.plan import Plan
from grid.plan.quantizers import WHOLE
from grid.plan.sweep import LatencyTable, Sweep
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

    @property
    def quant(self) -> str:
        return self.cell.artifact.quant


class Unusable(NamedTuple):
    """A variant that cannot be run here, and why."""

    label: str
    model: str
    quant: str
    backend: str
    artifact_id: str
    reason: str


def request_of(prompt: str, tokens: int) -> LatencyTable:
    """The request that is planned for. Raises InputError for a prompt or a length that is none."""
    if not prompt.strip():
        raise InputError("the prompt is empty; give a text to go on with")
    if not 1 <= tokens <= MOST_TOKENS:
        raise InputError(f"--tokens {tokens}: give 1 to {MOST_TOKENS}")
    guess = max(1, len(prompt.encode(errors="replace")) // BYTES_A_TOKEN)
    return LatencyTable(prompt=guess, generate=tokens, repetitions=1)


def choose_from_sweep(
    sweep: Sweep, quants: Sequence[str], prompt: str, tokens: int, node: Node | None = None
) -> list[Choice | Unusable]:
    """A sweep's artifacts in its backends, of these quants or (without any) of all.

    Of an engine's options with several values the first is taken. Raises InputError for what the
    sweep says wrongly and for a quant that none of its models comes in.
    """
    request = request_of(prompt, tokens)
    plan = plan_request(_restrict_quants(sweep, quants), request, node or probe_node())
    chosen = [choice for choice in choices_of_plan(plan) if _is_wanted(choice.quant, quants)]
    quants_found = {choice.quant for choice in chosen}
    for quant in quants:
        if quant not in quants_found and not (quant in WHOLE and WHOLE & quants_found):
            hint = did_you_mean(quant, {choice.quant for choice in choices_of_plan(plan)})
            raise InputError(f"{sweep.file}: no quant {quant!r}. {hint}")
    return chosen


def plan_request(sweep: Sweep, request: LatencyTable, node: Node) -> Plan:
    """What one request to each artifact of a sweep comes to on this machine. Raises InputError."""
    backends = backends_of(sweep)
    first = {
        name: {k: v[0] if isinstance(v, list) else v for k, v in options.items()}
        for name, options in sweep.options.items()
    }
    return expand(
        replace(sweep, measures=("latency",), latency=request, options=first),
        backends,
        node,
        available_memory(),
        {name: hindrance(name, node) for name in backends},
        {name for name in backends if device_of(name, node) == CPU},
    )


def hindrance(name: str, node: Node) -> str:
    """Why a backend cannot be run now; making its environment, which takes minutes, is left to the
    user."""
    if find_interpreter(name, node) is None:
        return f"the environment of {name} is not made here; `grid backends install {name}`"
    return why_unavailable(name, node)


def choices_of_plan(plan: Plan) -> list[Choice | Unusable]:
    """All artifacts of a plan: 16 bits first, then by size."""
    unusable = (unusable_choice(skip.cell, skip.reason) for skip in plan.skipped)
    return [*map(Choice, plan.cells), *unusable]


def unusable_choice(cell: Cell, reason: str) -> Unusable:
    artifact = cell.artifact
    return Unusable(
        artifact.label, artifact.model.name, artifact.quant, cell.backend, artifact.id, reason
    )


def _restrict_quants(sweep: Sweep, quants: Sequence[str]) -> Sweep:
    if not quants:
        return sweep
    models = tuple(
        replace(entry, quants=tuple(quants)) if entry.source else entry for entry in sweep.models
    )
    return replace(sweep, models=models)


def _is_wanted(quant: str, quants: Sequence[str]) -> bool:
    return not quants or quant in quants or (quant in WHOLE and bool(WHOLE & {*quants}))
