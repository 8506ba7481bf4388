"""A hardware class's frontiers and picks in a terminal, with how sure they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.markup import escape

from grid.analysis import (
    Frontier,
    FrontierPoint,
    Pick,
    Posterior,
    Variant,
    frontier,
    picks,
    typical_limits,
)
from grid.analysis.dataset import Dataset
from grid.analysis.figures import interval, number
from grid.analysis.labels import disambiguating_labels
from grid.cli.views.console import console, name_some, table, third_party_lines
from grid.cli.views.frontier_json import VIEWS
from grid.models.artifact import dequantized_from, dequantized_note
from grid.units import format_bytes

PLAUSIBLE = 0.05
"""Least probability at which a point off the frontier is shown beside it."""

TIES_SHOWN = 3

BUSY = 0.2
"""Share of the machine that other programs may use during a speed cell before a note says so."""

WIDE = 120
"""Columns of a terminal from which all of a frontier's table fits."""


def print_class(dataset: Dataset, name: str, posterior: Posterior) -> None:
    """Print one hardware class's frontiers, picks, and notes on its rows."""
    posterior = _with_distinct_labels(posterior)
    variants = posterior.variants
    out = console()
    out.rule(f"[bold]{escape(name)}", align="left")
    out.print(_heading(variants), markup=False)
    for text in third_party_lines((v.origin, v.licence) for v in variants):
        out.print(text, markup=False, soft_wrap=True)
    for text in dict.fromkeys(
        dequantized_note(v.model, quant)
        for v in variants
        if (quant := dequantized_from(v.quantizer))
    ):
        out.print(text, markup=False, style="yellow")
    if all(variant.capability is None for variant in variants):
        _print_without_capability(variants)
    else:
        for axis, heading in VIEWS:
            out.print(f"\n[bold]{heading}[/bold]")
            _print_frontier(frontier(posterior, axis))
        out.print("\n[bold]what to run[/bold]")
        _print_picks(picks(posterior, typical_limits(variants)))
        _print_notes(variants)
    for line in (*_disturbed_speed(dataset, name), *_refused_divergences(dataset, name)):
        out.print(line, markup=False, style="yellow")


def _with_distinct_labels(posterior: Posterior) -> Posterior:
    """The posterior with quants named so that no two variants have the same label."""
    additions = disambiguating_labels(posterior.variants)
    variants = [
        replace(v, quant=f"{v.quant} ({additions[v.id]})") if additions[v.id] else v
        for v in posterior.variants
    ]
    return replace(posterior, variants=tuple(variants))


def _disturbed_speed(dataset: Dataset, hardware_class: str) -> list[str]:
    """A line that names the speed cells during which other programs computed."""
    speed = pc.field("measure").isin(["prefill", "decode", "latency"])
    in_class = (pc.field("hardware_class") == hardware_class) & (pc.field("status") == "ok")
    labels = []
    for row in _with_environment(dataset, dataset.overview.attempts.filter(speed & in_class)):
        share = float(row["environment"].get("other_cpu_share", 0))
        if share > BUSY:
            labels.append(f"{row['model']} {row['quant']} {row['label']} ({share:.0%})")
    if not labels:
        return []
    cells = name_some(labels, TIES_SHOWN)
    return [f"other programs computed during {cells}: leave the machine alone and --fresh"]


def _refused_divergences(dataset: Dataset, hardware_class: str) -> list[str]:
    """A line for each reason for which there is no divergence from the reference."""
    quality = (pc.field("measure") == "quality") & (pc.field("status") == "ok")
    in_class = pc.field("hardware_class") == hardware_class
    labels: defaultdict[str, list[str]] = defaultdict(list)
    for row in _with_environment(dataset, dataset.overview.final.filter(quality & in_class)):
        reason = row["environment"].get("kld_refused")
        if reason:
            labels[reason].append(f"{row['model']} {row['quant']} in {row['backend']}")
    return [f"no KLD for {', '.join(names)}: {reason}" for reason, names in labels.items()]


def _with_environment(dataset: Dataset, rows: pa.Table) -> list[dict[str, Any]]:
    """The rows, each with its environment."""
    ids = rows["attempt_id"].combine_chunks()
    columns = dataset.results.read("attempts", ["environment"], ids).to_pylist()
    environments = {row["attempt_id"]: dict(row["environment"] or ()) for row in columns}
    return [row | {"environment": environments[row["attempt_id"]]} for row in rows.to_pylist()]


def _print_without_capability(variants: Sequence[Variant]) -> None:
    """Without capability there is no frontier; what was measured is shown as it is."""
    out = console()
    out.print(
        '\nno capability was measured (measures = [..., "tasks"]), so no frontier', markup=False
    )
    columns = ("model", "size", "decode token/s", "prefill token/s", "KLD", "peak memory")
    rows = [
        (
            variant.label,
            _size(variant),
            interval(variant.decode_tps),
            interval(variant.prefill_tps),
            interval(variant.kld_mean),
            format_bytes(variant.peak_rss_bytes.value) if variant.peak_rss_bytes else "-",
        )
        for variant in variants
    ]
    out.print(table(columns, rows, right=(1, 5), wrap=(2, 3, 4)))


def _print_frontier(curve: Frontier) -> None:
    out = console()
    if not curve.points:
        out.print(f"  nothing to compare: {_left_out(curve)}", markup=False)
        return
    points = [
        point for point in curve.points if point.on_frontier or point.probability >= PLAUSIBLE
    ]
    heads = ("", "model", "size", "bits/w", "capability", "decode token/s", "on it", "ties")
    lines: list[Sequence[str]] = [heads, *(_row(point) for point in points)]
    if out.width < WIDE:
        lines = [_narrow(line) for line in lines]
    right = [lines[0].index(name) for name in ("size", "bits/w", "on it") if name in lines[0]]
    out.print(table(lines[0], lines[1:], right=right))
    hidden = len(curve.points) - len(points)
    if hidden:
        out.print(f"  and {hidden} more that something beats, surely (P < {PLAUSIBLE:g})")
    if curve.left_out:
        out.print(f"  left out: {_left_out(curve)}", markup=False)


def _narrow(row: Sequence[str]) -> tuple[str, ...]:
    """Without bits per weight, ties, and the decode rate's interval: for 80 columns."""
    return (*row[:3], row[4], row[5].partition(" [")[0], row[6])


def _print_picks(picked: Sequence[Pick]) -> None:
    out = console()
    columns = ("if you want", "run", "capability", "size", "decode token/s", "")
    lines: list[Sequence[str]] = [columns, *(_pick_row(pick) for pick in picked)]
    if out.width < WIDE:
        lines = [line[:4] for line in lines]
    out.print(table(lines[0], lines[1:], right=(3,), wrap=(0, 2, 5)))
    for pick in picked:
        for step in pick.relax:
            out.print(f"  for {pick.limits.name}: {step.text}", markup=False)


def _heading(variants: Sequence[Variant]) -> str:
    models = sorted({variant.model for variant in variants})
    classes = sorted({name for variant in variants for name in variant.weights})
    text = f"{len(variants)} variants of {', '.join(models)}"
    if classes:
        text += f"; quality = capability, the mean over {', '.join(classes)} (0 chance, 1 perfect)"
    return text


def _size(variant: Variant) -> str:
    return format_bytes(variant.artifact_bytes) if variant.artifact_bytes else "not known"


def _row(point: FrontierPoint) -> Sequence[str]:
    variant = point.variant
    return (
        "*" if point.on_frontier else " ",
        variant.label,
        _size(variant),
        number(variant.bpw_file),
        interval(variant.capability),
        interval(variant.decode_tps),
        f"{point.probability:.0%}",
        _ties(point),
    )


def _ties(point: FrontierPoint) -> str:
    labels = [variant.label for variant in point.ties.get("capability", ())]
    return name_some(labels, TIES_SHOWN)


def _pick_row(pick: Pick) -> Sequence[str]:
    if pick.variant is None:
        why = pick.rejected[0].reason if pick.rejected and not pick.relax else "see below"
        return (pick.limits.name, "nothing", "-", "-", "-", why)
    variant = pick.variant
    note = ""
    if pick.best is not None and pick.best is not variant:
        note = f"ties with {pick.best.label}, smaller"
    return (
        pick.limits.name,
        variant.label,
        interval(variant.capability),
        _size(variant),
        interval(variant.decode_tps),
        note,
    )


def _print_notes(variants: Sequence[Variant]) -> None:
    out = console()
    out.print()
    same = [variant.label for variant in variants if variant.indistinguishable]
    if same:
        text = f"indistinguishable from 16 bits (KLD within the noise floor): {', '.join(same)}"
        out.print(text, markup=False)
    drifting = [variant.label for variant in variants if variant.drifts]
    if drifting:
        text = f"speed drifted between repetitions: {', '.join(drifting)}"
        out.print(text, markup=False)
    out.print(
        "intervals are 95 %; * nothing beats it; on it: probability of that (docs/frontier.md)"
    )


def _left_out(curve: Frontier) -> str:
    reasons = sorted({reason for _, reason in curve.left_out})
    count = len(curve.left_out)
    return f"{count} variant{'s' if count > 1 else ''} ({'; '.join(reasons)})"
