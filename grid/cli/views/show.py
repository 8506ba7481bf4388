"""`grid show` in a terminal: what to run on a hardware class, and its frontiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.text import Text

from grid.advice import pick_card
from grid.advice.sentences import headline
from grid.analysis import Posterior, Variant, frontier
from grid.analysis.dataset import Dataset
from grid.analysis.figures import interval
from grid.analysis.labels import disambiguating_labels
from grid.analysis.quality_order import CAPABILITY
from grid.analysis.quality_views import QualityView, quality_views
from grid.cli.views.class_warnings import class_warnings
from grid.cli.views.console import console, table, third_party_lines
from grid.cli.views.frontier_json import VIEWS, CostViews
from grid.cli.views.frontier_tables import (
    format_size,
    has_divergence,
    print_frontier,
    print_picks,
)
from grid.cli.views.quality_picks import QualityPicks
from grid.cli.views.recommend import card_rows, choice_rows, two_columns
from grid.cli.views.text_table import print_divergences_by_text
from grid.models.artifact import dequantized_from, dequantized_note
from grid.models.display_names import visible
from grid.units import format_bytes


def print_class(dataset: Dataset, name: str, costs: CostViews = VIEWS) -> None:
    """Print what to run on a hardware class, its frontiers, and notes on its rows."""
    posterior = _with_distinct_labels(dataset.posterior(name))
    variants = posterior.variants
    out = console()
    out.rule(Text(visible(name), style="bold"), align="left")
    out.print(_heading(variants))
    for text in third_party_lines((v.origin, v.licence) for v in variants):
        out.print(text)
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
        _print_view(view, QualityPicks(dataset, name, view), costs)
    print_divergences_by_text(variants)
    if views:
        _print_notes(variants)
    for line in class_warnings(dataset, name):
        out.print(line, markup=False, style="yellow")


def _print_view(view: QualityView, picks: QualityPicks, costs: CostViews) -> None:
    """The pick and the frontiers of what one axis ranks."""
    out, axis = console(), view.axis.name
    if axis != CAPABILITY:
        out.print(f"\n{view.reason}")
    if view.doubt:
        out.print(view.doubt, markup=False, style="yellow")
    about = f"{view.model}: " if view.model else ""
    if picks.advice is not None:
        out.print(f"\n{about}{headline(picks.advice)}", style="bold")
        card = pick_card(picks.advice)
        if card is not None:
            out.print(two_columns([*card_rows(card), *choice_rows(picks.advice)]))
        out.print(f"\n{about}within common limits", style="bold")
        print_picks(picks, picks.axis.name == CAPABILITY and has_divergence(view.variants))
    for cost, heading in costs:
        title = f"{about}{view.title} vs {heading}"
        out.print(f"\n{title}", style="bold")
        print_frontier(frontier(view.posterior, cost, axis))


def _with_distinct_labels(posterior: Posterior) -> Posterior:
    """The posterior with quants named so that no two variants have the same label."""
    additions = disambiguating_labels(posterior.variants)
    variants = [
        replace(v, quant=f"{v.quant} ({additions[v.id]})") if additions[v.id] else v
        for v in posterior.variants
    ]
    return replace(posterior, variants=tuple(variants))


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
    out.print(table(columns, rows, right=(1, 2, 3, 4, 5), names=(0,), optional=(3, 5)))


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
        out.print(text)
    out.print("[a, b]: 95 % interval; *: nothing beats it; on it: probability of that")
