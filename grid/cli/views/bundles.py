"""Published bundles, and a machine's place among others."""

from __future__ import annotations

from collections.abc import Sequence

from grid.analysis.among_others import FEWEST, ClassPlacings, Placing
from grid.analysis.figures import ABSENT, interval, number
from grid.cli.views.console import console, print_json, table, warn
from grid.errors import name_some
from grid.results.bundles.contents import ResultsBundle
from grid.results.bundles.meeting_place import GatheredBundles
from grid.results.uris import without_credentials

LINES = 5


def print_published(bundle: ResultsBundle, listed: GatheredBundles | None, as_json: bool) -> None:
    """Say what was written, what was refused, and what the meeting place lists."""
    cells = bundle.tables["attempts"].num_rows
    name = without_credentials(bundle.name)
    if as_json:
        listing = None if listed is None else len(listed.bundles)
        print_json(
            {"bundle": name, "cells": cells, "refused": list(bundle.refused), "listed": listing}
        )
        return
    out = console()
    out.print(f"{name}: {cells:,} cells of {', '.join(bundle.hardware) or 'no machine'}")
    if listed is not None:
        out.print(f"index.html lists {len(listed.bundles)} bundles")
    _warn_refused([*bundle.refused, *(listed.refused if listed else ())])


def print_comparisons(
    comparisons: Sequence[ClassPlacings], gathered: GatheredBundles, as_json: bool
) -> None:
    """Print each hardware class with the place of its rates."""
    refused = [*gathered.refused, *(line for b in gathered.bundles for line in b.refused)]
    if as_json:
        print_json(
            {
                "bundles": len(gathered.bundles),
                "refused": refused,
                "classes": [
                    {
                        "hardware": comparison.hardware,
                        "machines": comparison.others,
                        "cells": [_placing_json(p) for p in comparison.placings],
                    }
                    for comparison in comparisons
                ],
            }
        )
        return
    _warn_refused(refused)
    out = console()
    if not comparisons:
        out.print("no undisturbed rate of this store to compare; `grid sweep` measures some")
    for comparison in comparisons:
        out.print(f"{comparison.hardware}: {comparison.others} other machines", style="bold")
        enough = [p for p in comparison.placings if p.ratio is not None]
        if enough:
            heads = ["cell", "token/s", "others", "ratio", "faster than", "machines", "engine"]
            rows = [_row(p) for p in enough]
            out.print(table(heads, rows, right=(1, 2, 4, 5), names=(0, 6), optional=(6, 5)))
        few = [p.cell for p in comparison.placings if p.ratio is None]
        if few:
            out.print(
                f"  too few to say, under {FEWEST} machines with the same cell: "
                f"{name_some(few, LINES)}"
            )


def _row(placing: Placing) -> tuple[str, ...]:
    share = ABSENT if placing.percentile is None else f"{placing.percentile:.0f} %"
    return (
        placing.cell,
        number(placing.rate),
        number(placing.middle),
        interval(placing.ratio),
        share,
        str(placing.machines),
        placing.engine,
    )


def _placing_json(placing: Placing) -> dict[str, object]:
    ratio = placing.ratio
    ends = None if ratio is None else {n: getattr(ratio, n) for n in ("value", "low", "high")}
    return {**placing._asdict(), "ratio": ends}


def _warn_refused(lines: Sequence[str]) -> None:
    for line in lines[:LINES]:
        warn(f"refused: {line}")
    if len(lines) > LINES:
        warn(f"refused: {len(lines) - LINES} more")
