"""`grid plan`: what a sweep would do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from grid.cells.cell import Cell
from grid.cells.workload import kind
from grid.cli.views.console import console, differing_options, print_json, table
from grid.cli.views.resolution import resolution_line, resolutions, task_items
from grid.models.model import Model
from grid.models.parameters_text import parameters_text
from grid.plan.estimate import Estimate
from grid.plan.order import Session
from grid.plan.plan import Plan
from grid.units import format_bytes, format_seconds

SKIPS_SHOWN = 20
"""Skipped cells named one by one; the rest is counted by reason."""


def show_plan(plan: Plan, estimate: Estimate, as_json: bool = False) -> None:
    """Sessions in order, skipped cells with their reason, and what all of it will take."""
    if as_json:
        _print_json(plan, estimate)
        return
    out = console()
    out.print(f"{plan.sweep} on {plan.node.hardware_class}\n", style="bold", markup=False)
    if plan.cells:
        sessions = plan.sessions
        engines = [session.backend for session in sessions]
        options = differing_options(engines, [session.options for session in sessions])
        rows = [_row(plan, session) for session in sessions]
        columns = ["model", "quant", "backend", "size", "memory", "cells"]
        if any(options):
            columns.append("options")
            rows = [(*row, text) for row, text in zip(rows, options, strict=True)]
        out.print(table(columns, rows, right=(3, 4), wrap=(5, 6)))
        _print_mixtures(plan)
        out.print()
    _print_skipped(plan)
    for note in plan.notes:
        out.print(note, markup=False, style="yellow")
    if line := resolution_line(task_items((*plan.cells, *plan.measured))):
        out.print(line, markup=False)
    out.print(
        f"{len(plan.cells)} cells to measure in {len(plan.sessions)} sessions, "
        f"{len(plan.measured)} measured already, {len(plan.skipped)} skipped"
    )
    missing = sorted(
        name for name, ready in plan.environments.items() if name in plan.backends and not ready
    )
    if missing:
        out.print(f"environments to be made first, up to a few GB each: {', '.join(missing)}")
    if plan.cells:
        source = (
            f"from {estimate.from_measured} measured cells"
            if estimate.from_measured
            else "a rough model; measured cells sharpen it"
        )
        out.print(f"estimated time {format_seconds(estimate.seconds)} ({source})")
        if estimate.host_bytes is not None:
            out.print(f"estimated peak memory {format_bytes(estimate.host_bytes)}")


def _print_mixtures(plan: Plan) -> None:
    """What a token uses of each mixture of experts."""
    for model in _models(plan):
        if model.experts is not None:
            text = parameters_text(model.parameters, model.active_parameters, model.experts)
            console().print(f"{model.name}: {text}", markup=False)


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


def _print_skipped(plan: Plan) -> None:
    if not plan.skipped:
        return
    out = console()
    out.print("skipped", style="bold")
    for skip in plan.skipped[:SKIPS_SHOWN]:
        out.print(f"  {skip.cell.label}: {skip.reason}", markup=False)
    reasons = Counter(skip.reason for skip in plan.skipped[SKIPS_SHOWN:])
    for reason, count in reasons.most_common(SKIPS_SHOWN):
        out.print(f"  and {count} more: {reason}", markup=False)
    out.print()


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
