"""`grid plan`: what a sweep would do."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from grid.cells.cell import Cell
from grid.cells.workload import kind
from grid.cli.views.console import (
    console,
    differing_options,
    pairs,
    print_json,
    table,
)
from grid.cli.views.resolution import points, resolution_line, resolutions, task_items
from grid.errors import name_some
from grid.models.model import Model
from grid.models.parameters_text import parameters_text
from grid.plan.estimate import Estimate
from grid.plan.order import Session
from grid.plan.plan import Plan, Skip
from grid.units import count_of, format_bytes, format_seconds

_FIGURE = re.compile(r"\d+(?:\.\d+)?")
REASONS_SHOWN = 6
"""Reasons for skipping that the first screen names."""
SKIPPED_QUANTS_SHOWN = 3
QUANTS_SHOWN = 16


def show_plan(plan: Plan, estimate: Estimate, as_json: bool = False, full: bool = False) -> None:
    """What the plan comes to; with `full`, or where output is no terminal, all of it below.

    That is each session in order, each skipped cell with its reason, and what the tasks can tell.
    """
    if as_json:
        _print_json(plan, estimate)
        return
    out = console()
    out.print(f"{plan.sweep} on {plan.node.hardware_class}\n", style="bold")
    out.print(pairs([*_amounts(plan, estimate), *_variants(plan), *_skipped(plan)]))
    for note in plan.notes:
        out.print(f"note: {note}", style="yellow")
    if full or not sys.stdout.isatty():
        _print_sessions(plan)
        _print_skipped(plan)
        if line := resolution_line(task_items((*plan.cells, *plan.measured))):
            out.print(f"\n{line}")
    elif plan.cells or plan.skipped:
        out.print("\n--all lists every session and every skipped cell")


def _amounts(plan: Plan, estimate: Estimate) -> list[tuple[str, str]]:
    """Cells, time, memory and disk."""
    if not plan.cells:
        return [("to measure", f"nothing{_how_to_repeat(plan)}")]
    variants = {(cell.artifact.id, cell.backend) for cell in plan.cells}
    cells = f"{count_of(len(plan.cells), 'cell')} of {count_of(len(variants), 'variant')}"
    source = (
        f"from {count_of(estimate.from_measured, 'measured cell')}"
        if estimate.from_measured
        else "a rough model; measured cells make it better"
    )
    bound = "at most about" if plan.optional else "about"
    sizes = [plan.weight_bytes.get(artifact.id, 0) for artifact in plan.artifacts]
    rows = [
        ("to measure", cells),
        *_optional(plan),
        ("time", f"{bound} {format_seconds(estimate.seconds)} ({source})"),
        ("memory", f"at most {format_bytes(estimate.host_bytes or 0)}"),
        ("disk", f"{format_bytes(sum(sizes))} for {count_of(len(sizes), 'set')} of weights"),
    ]
    missing = sorted(
        name for name, ready in plan.environments.items() if name in plan.backends and not ready
    )
    if missing:
        rows.append(("installs", f"{', '.join(missing)}: once, up to a few GB each"))
    if plan.measured:
        rows.append(("measured", f"{count_of(len(plan.measured), 'cell')} before"))
    return rows


def _optional(plan: Plan) -> list[tuple[str, str]]:
    """How many of the cells a sweep that stops when it is decided may skip."""
    if not plan.stops_when_decided:
        return []
    count = len(plan.optional)
    return [("", f"up to {count} of them skipped, where the first chunks and items decide")]


def _how_to_repeat(plan: Plan) -> str:
    if not plan.measured:
        return ""
    count = count_of(len(plan.measured), "cell")
    return f": {count} measured already, which --fresh measures again"


def _variants(plan: Plan) -> list[tuple[str, str]]:
    """The quants of each model in each backend, and what is measured of them."""
    quants: dict[tuple[str, str], dict[str, None]] = {}
    for cell in plan.cells:
        key = (cell.artifact.model.name, cell.backend)
        quants.setdefault(key, {})[cell.artifact.quant] = None
    rows = [
        (model, f"{name_some(list(names), QUANTS_SHOWN)} in {backend}")
        for (model, backend), names in quants.items()
    ]
    whole = [cell for cell in plan.cells if not getattr(cell.workload, "part_of", 0)]
    speed = {c.workload.label: c for c in whole if kind(c.workload) != "tasks"}
    tasks = {c.workload.label: c for c in whole if kind(c.workload) == "tasks"}
    if plan.cells:
        rows.append(("of each", workloads([*speed.values(), *tasks.values()])))
    if items := task_items(plan.cells):
        total = sum(items.values())
        rows.append(
            ("tasks", f"{total} items tell variants apart by {points(total)} points of accuracy")
        )
    for model in _models(plan):
        if model.experts is not None:
            text = parameters_text(model.parameters, model.active_parameters, model.experts)
            rows.append((model.name, text))
    return rows


def _skipped(plan: Plan) -> list[tuple[str, str]]:
    """How many cells are skipped, of which quants and why; reasons that differ in figures alone
    are one."""
    if not plan.skipped:
        return []
    reasons: dict[str, list[Skip]] = {}
    for skip in plan.skipped:
        reasons.setdefault(_FIGURE.sub("#", skip.reason), []).append(skip)
    groups = sorted(reasons.values(), key=len, reverse=True)
    rows = [("skipped", count_of(len(plan.skipped), "cell"))]
    rows += [("", _reason_text(group)) for group in groups[:REASONS_SHOWN]]
    hidden = sum(map(len, groups[REASONS_SHOWN:]))
    return [*rows, ("", f"{hidden} for other reasons")] if hidden else rows


def _reason_text(group: Sequence[Skip]) -> str:
    """`7 of Q3_K_S: same tensors as Q2_K ...`, of skips for the same reason."""
    quants = list(dict.fromkeys(skip.cell.artifact.quant for skip in group))
    return f"{len(group)} of {name_some(quants, SKIPPED_QUANTS_SHOWN)}: {group[0].reason}"


def _print_sessions(plan: Plan) -> None:
    sessions = plan.sessions
    if not sessions:
        return
    options = differing_options(
        [session.backend for session in sessions], [session.options for session in sessions]
    )
    rows = [(*_row(plan, session), text) for session, text in zip(sessions, options, strict=True)]
    heads = ("model", "quant", "backend", "size", "memory", "cells", "options")
    out = console()
    out.print(f"\n{count_of(len(sessions), 'session')}, in this order", style="bold")
    out.print(table(heads, rows, right=(3, 4), wrap=(5, 6), names=(0, 1), optional=(2,)))


def _print_skipped(plan: Plan) -> None:
    if not plan.skipped:
        return
    out = console()
    out.print("\nskipped", style="bold")
    out.print(pairs([(skip.cell.label, skip.reason) for skip in plan.skipped]))


def _models(plan: Plan) -> list[Model]:
    models = (cell.artifact.model for cell in (*plan.cells, *plan.measured))
    return list({model.revision: model for model in models}.values())


def _row(plan: Plan, session: Session) -> tuple[str, ...]:
    artifact = session.artifact
    needed = max(plan.host_bytes[cell.id] for cell in session.cells)
    return (
        artifact.model.name,
        artifact.quant,
        session.backend,
        format_bytes(plan.weight_bytes[artifact.id]),
        format_bytes(needed),
        workloads(session.cells),
    )


def workloads(cells: Sequence[Cell]) -> str:
    """The cells' workloads in one line: speed by label, tasks by count."""
    labels = [cell.workload.label for cell in cells if kind(cell.workload) != "tasks"]
    tasks = sum(kind(cell.workload) == "tasks" for cell in cells)
    return ", ".join([*labels, *([f"{tasks} task{'s' if tasks > 1 else ''}"] if tasks else [])])


def _print_json(plan: Plan, estimate: Estimate) -> None:
    print_json(
        {
            "sweep": plan.sweep,
            "hardware_class": plan.node.hardware_class,
            "cells": [_cell_json(cell) for cell in plan.cells],
            "skipped": [{**_cell_json(skip.cell), "reason": skip.reason} for skip in plan.skipped],
            "measured": [_cell_json(cell) for cell in plan.measured],
            "models": [_model_json(model) for model in _models(plan)],
            "estimate": estimate,
            "notes": list(plan.notes),
            "tasks": resolutions(task_items((*plan.cells, *plan.measured))),
        }
    )


def _model_json(model: Model) -> dict[str, object]:
    return {
        "model": model.name,
        "parameters": model.parameters,
        "active_parameters": model.active_parameters,
        "layers": len(model.layers) or None,
        "experts": model.experts,
    }


def _cell_json(cell: Cell) -> dict[str, object]:
    return {
        "cell": cell.id,
        "label": cell.label,
        "artifact": cell.artifact.id,
        "backend": cell.backend,
        "options": cell.options,
        "workload": cell.workload,
        "scope": cell.scope,
    }
