"""KL divergence on each text, where a model's variants were scored on several."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from grid.analysis import Variant
from grid.analysis.figures import interval
from grid.cli.views.console import console, table


def print_divergences_by_text(variants: Sequence[Variant]) -> None:
    """A table for each model that has texts by category besides the one that ranks its variants."""
    groups: defaultdict[tuple[str, str], list[Variant]] = defaultdict(list)
    for variant in variants:
        if variant.kld_by_text:
            groups[variant.model, variant.origin].append(variant)
    out = console()
    for (model, _), group in groups.items():
        names = {name for variant in group for name in variant.kld_by_text}
        ranking = {v.scored_text.category for v in group if v.scored_text is not None}
        if names <= ranking:
            continue
        columns = sorted(names, key=lambda name: (name not in ranking, name))
        rows = [
            (variant.label, *(interval(variant.kld_by_text.get(name)) for name in columns))
            for variant in sorted(group, key=lambda v: (v.artifact_bytes, v.id))
        ]
        ranks = "".join(f"; {name} ranks" for name in columns if name in ranking)
        out.print(f"\n{model}: KLD by text{ranks}", style="bold")
        heads = ["model", *columns]
        out.print(table(heads, rows, right=range(1, len(heads)), names=(0,)))
