"""A hardware class's frontiers and picks in a terminal, with how sure they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.text import Text

from grid.analysis import Posterior, Variant, frontier, picks, typical_limits
from grid.analysis.dataset import Dataset
from grid.analysis.figures import interval
from grid.analysis.labels import disambiguating_labels
from grid.analysis.quality_order import CAPABILITY
from grid.analysis.quality_views import QualityView, quality_views
from grid.cli.views.console import console, name_some, table, third_party_lines
from grid.cli.views.frontier_json import VIEWS
from grid.cli.views.frontier_tables import (
    TIES_SHOWN,
    format_size,
    has_divergence,
    print_frontier,
    print_picks,
)
from grid.cli.views.text_table import print_divergences_by_text
from grid.models.artifact import dequantized_from, dequantized_note
from grid.models.display_names import visible
from grid.units import format_bytes

BUSY = 0.2
"""Share of the machine that other programs may use during a speed cell before a note says so."""


def print_class(dataset: Dataset, name: str, posterior: Posterior) -> None:
    """Print one hardware class's frontiers, picks, and notes on its rows."""
    posterior = _with_distinct_labels(posterior)
    variants = posterior.variants
    out = console()
    out.rule(Text(visible(name), style="bold"), align="left")
    out.print(_heading(variants), markup=False)
    for text in third_party_lines((v.origin, v.licence) for v in variants):
        out.print(text, markup=False, soft_wrap=True)
    for text in dict.fromkeys(
        dequantized_note(v.model, quant)
        for v in variants
        if (quant := dequantized_from(v.quantizer))
    ):
        out.print(text, markup=False, style="yellow")
    views = quality_views(posterior)
    if not views:
        _print_without_quality(variants)
    for view in views:
        _print_view(view)
    print_divergences_by_text(variants)
    if views:
        _print_notes(variants)
    for line in (
        *_disturbed_speed(dataset, name),
        *_refused_divergences(dataset, name),
        *_unanswered_items(dataset, name),
    ):
        out.print(line, markup=False, style="yellow")


def _print_view(view: QualityView) -> None:
    """The frontiers and picks of what one axis ranks."""
    out, axis = console(), view.axis.name
    if axis != CAPABILITY:
        out.print(f"\n{view.reason}", markup=False)
    if view.doubt:
        out.print(view.doubt, markup=False, style="yellow")
    about = f"{view.model}: " if view.model else ""
    for cost, heading in VIEWS:
        title = f"{about}{view.title} vs {heading}"
        out.print(f"\n{title}", style="bold")
        print_frontier(frontier(view.posterior, cost, axis))
    out.print(f"\n{about}what to run", style="bold")
    picked = picks(view.posterior, typical_limits(view.variants, axis), axis=axis)
    print_picks(picked, view.axis, axis == CAPABILITY and has_divergence(view.variants))


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


def _unanswered_items(dataset: Dataset, hardware_class: str) -> list[str]:
    """A line for each task of which variants were not asked all items, and why."""
    tasks = (pc.field("measure") == "tasks") & (pc.field("status") == "ok")
    in_class = pc.field("hardware_class") == hardware_class
    labels: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for row in _with_environment(dataset, dataset.overview.final.filter(tasks & in_class)):
        reason = row["environment"].get("unanswered")
        if reason:
            labels[row["label"], reason].append(f"{row['model']} {row['quant']}")
    return [
        f"{task}, counted as wrong: {reason}; {name_some(names, TIES_SHOWN)}"
        for (task, reason), names in labels.items()
    ]


def _with_environment(dataset: Dataset, rows: pa.Table) -> list[dict[str, Any]]:
    """The rows, each with its environment."""
    ids = rows["attempt_id"].combine_chunks()
    columns = dataset.results.read("attempts", ["environment"], ids).to_pylist()
    environments = {row["attempt_id"]: dict(row["environment"] or ()) for row in columns}
    return [row | {"environment": environments[row["attempt_id"]]} for row in rows.to_pylist()]


def _print_without_quality(variants: Sequence[Variant]) -> None:
    """Without a quality there is no frontier; what was measured is shown as it is."""
    out = console()
    out.print(
        '\nno tasks and no KLD (measures = [..., "quality", "tasks"]), so no frontier', markup=False
    )
    columns = ("model", "size", "decode token/s", "prefill token/s", "KLD", "peak memory")
    rows = [
        (
            variant.label,
            format_size(variant),
            interval(variant.decode_tps),
            interval(variant.prefill_tps),
            interval(variant.kld_mean),
            format_bytes(variant.peak_rss_bytes.value) if variant.peak_rss_bytes else "-",
        )
        for variant in variants
    ]
    out.print(table(columns, rows, right=(1, 5), wrap=(2, 3, 4)))


def _heading(variants: Sequence[Variant]) -> str:
    models = sorted({variant.model for variant in variants})
    classes = sorted({name for variant in variants for name in variant.weights})
    count = "1 variant" if len(variants) == 1 else f"{len(variants)} variants"
    text = f"{count} of {', '.join(models)}"
    if classes:
        text += f"; quality = capability, the mean over {', '.join(classes)} (0 chance, 1 perfect)"
    return text


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
