"""How wrong predictions are on published rates: every error, beside the flat rule's.

    python scripts/eval_prediction.py                   the bundled tables, left out in turn
    python scripts/eval_prediction.py --markdown        the same as the tables of docs/prediction.md
    python scripts/eval_prediction.py --judge FILE      chips of another table, fitted on ours

FILE has the layout of grid/results/imports/published/llama2-7b-speed-by-chip.json: a list `rows`,
each with `chip`, `bandwidth_gb_s`, and any of {f16,q8_0,q4_0}_{decode,prefill}_tps (null where not
measured); a `platform` (metal, cuda, vulkan, rocm) where it is not the usual one of its maker.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from grid.advice.prediction import Loo, LooRow, leave_one_out, published_observations
from grid.advice.prediction.fit import FittedRate
from grid.advice.prediction.predictor import RATES, compare_with_prediction
from grid.advice.prediction.published import chip_table
from grid.advice.prediction.result import FLAT_SHARE, RateKind
from grid.analysis.figures import number
from grid.errors import GridError

CHIPS, ONE_CARD = "Llama-2-7B", "one CUDA GPU, not named"


def main() -> int:
    """Print the tables; exit code 2 for a file that is no such table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--judge", type=Path, metavar="FILE", help="a table of other chips")
    parser.add_argument("--markdown", action="store_true", help="tables for the documentation")
    args = parser.parse_args()
    try:
        tables = evaluate_table(args.judge) if args.judge else evaluate_bundled()
    except GridError as error:
        sys.stderr.write(f"eval_prediction: {error}\n")
        return error.exit_code
    for title, rows in tables:
        print("\n".join(lines(title, rows, args.markdown)) + "\n")
    return 0


def evaluate_bundled() -> list[tuple[str, list[LooRow]]]:
    """Chips left out of the chip table, and quants of the table of one card."""
    ours = published_observations()
    chips = [row for row in leave_one_out(ours, "group") if row.model == CHIPS]
    quants = [row for row in leave_one_out(ours, "quant") if row.group == ONE_CARD]
    tables: list[tuple[str, list[LooRow]]] = []
    for rate in RATES:
        tables.append((f"{rate}, one chip left out", of_rate(chips, rate)))
        tables.append((f"{rate}, one quant left out, card not named", of_rate(quants, rate)))
    return tables


def evaluate_table(path: Path) -> list[tuple[str, list[LooRow]]]:
    """Chips of another table, predicted from ours; those that ours has too are left out of ours."""
    targets = chip_table(path)
    groups = {row.group for row in targets}
    ours = [row for row in published_observations() if row.group not in groups]
    tables: list[tuple[str, list[LooRow]]] = []
    for rate in RATES:
        fitted = FittedRate.of(rate, ours)
        rows = [row for row in targets if getattr(row, f"{rate}_tps") is not None]
        tables.append(
            (f"{rate}, {path.name}", [compare_with_prediction(rate, fitted, row) for row in rows])
        )
    return [(title, rows) for title, rows in tables if rows]


def of_rate(rows: Sequence[LooRow], rate: RateKind) -> list[LooRow]:
    return [row for row in rows if row.rate == rate]


def lines(title: str, rows: Sequence[LooRow], markdown: bool) -> list[str]:
    """A table of errors, and a line of medians."""
    heads = ("chip", "quant", "measured", "predicted", "90 %", "error", "0.55 rule", "its error")
    body = [_cells(row) for row in rows]
    if markdown:
        bars = ["|" + "|".join(row) + "|" for row in (heads, ("---",) * len(heads), *body)]
        return [f"**{title[0].upper()}{title[1:]}** (token/s)", "", *bars, "", _medians(rows)]
    widths = [max(len(row[column]) for row in (heads, *body)) for column in range(len(heads))]
    drawn = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (heads, *body)
    ]
    return [f"{title} (token/s)", *drawn, _medians(rows)]


def _cells(row: LooRow) -> tuple[str, ...]:
    return (
        row.group,
        row.quant,
        number(row.measured),
        number(row.predicted),
        f"{number(row.low)} to {number(row.high)}",
        f"{row.error:.1%}",
        number(row.flat_rule),
        "-" if row.flat_error is None else f"{row.flat_error:.1%}",
    )


def _medians(rows: Sequence[LooRow]) -> str:
    loo = Loo(tuple(rows))
    if loo.median is None:
        return "no rows"
    held = np.mean([row.covered for row in rows])
    text = f"median error {loo.median:.1%}, worst {loo.worst:.1%}; intervals hold {held:.0%}"
    if loo.flat_median is not None:
        text += f"; median error of {FLAT_SHARE:g} of the bandwidth: {loo.flat_median:.1%}"
    return text


if __name__ == "__main__":
    sys.exit(main())
