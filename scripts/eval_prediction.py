"""How wrong predictions are on published rates, by split, with the flat rule beside.

    python scripts/eval_prediction.py                   chips, sizes and sources left out in turn
    python scripts/eval_prediction.py --rows            every row too
    python scripts/eval_prediction.py --stored          the errors that predictions print, as stored
    python scripts/eval_prediction.py --markdown        the tables of docs/prediction.md
    python scripts/eval_prediction.py --judge FILE      chips of another table, fitted on ours
    python scripts/eval_prediction.py --write           fit anew, and store what they print

FILE has the layout of grid/results/imports/published/llama2-7b-speed-by-chip.json: a list `rows`,
each with `chip`, `bandwidth_gb_s`, and any of {f16,q8_0,q4_0}_{decode,prefill}_tps (null where not
measured), and a `platform` (metal, cuda, vulkan, rocm) where it is not the usual one of its maker;
or that of community-speed-rows.json beside it: a row for each model that ran on a chip.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from grid.advice.prediction import LooRow, Observation, leave_one_out, published_observations
from grid.advice.prediction.bundled_errors import LEFT_OUT_BY, bundled_errors, write_errors
from grid.advice.prediction.community import community_table, unclear_chips
from grid.advice.prediction.fit import FittedRate
from grid.advice.prediction.leave_one_out import compare_with_prediction
from grid.advice.prediction.published import chip_table
from grid.advice.prediction.rate_tables import read_table
from grid.advice.prediction.result import RATES
from grid.advice.prediction.splits import kind_of, nearest_split, size_class
from grid.analysis.figures import number
from grid.errors import GridError

Table = tuple[str, Sequence[LooRow]]
SPLIT_HEADS = (
    "platform", "models", "size", "rows", "chips", "median error", "p90", "holds", "high / low",
    "printed error", "0.55 rule",
)  # fmt: skip
ROW_HEADS = (
    "chip", "model", "quant", "measured", "predicted", "90 %", "error", "0.55 rule", "its error",
)  # fmt: skip


def main() -> int:
    """Print the tables; exit code 2 for a file that is no such table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--judge", type=Path, metavar="FILE", help="a table of other chips")
    parser.add_argument("--markdown", action="store_true", help="tables for the documentation")
    parser.add_argument("--rows", action="store_true", help="every row beside its prediction")
    parser.add_argument("--stored", action="store_true", help="errors as stored, without a fit")
    parser.add_argument("--write", action="store_true", help="store the errors that are printed")
    args = parser.parse_args()
    try:
        if args.write:
            print(f"wrote {write_errors(list(left_out(LEFT_OUT_BY)))}")
            return 0
        for title, rows in chosen_tables(args):
            print(f"{heading(title, args.markdown)}\n")
            print(drawn(SPLIT_HEADS, list(split_lines(rows)), args.markdown) + "\n")
            if args.rows:
                print(drawn(ROW_HEADS, [row_line(row) for row in rows], args.markdown) + "\n")
    except GridError as error:
        sys.stderr.write(f"eval_prediction: {error}\n")
        return error.exit_code
    return 0


def chosen_tables(args: argparse.Namespace) -> Iterator[Table]:
    """What the options ask for."""
    if args.judge:
        return judged(args.judge)
    return stored() if args.stored else left_out(("group", "size", "source"))


def stored() -> Iterator[Table]:
    """The errors that come with quantgrid."""
    for key in LEFT_OUT_BY:
        for rate in RATES:
            rows = [row for row in bundled_errors() if (row.rate, row.left_out) == (rate, key)]
            yield title_of(rate, key), rows


def title_of(rate: str, key: str) -> str:
    return f"{rate}, one {'chip' if key == 'group' else key} left out"


def left_out(keys: Sequence[str]) -> Iterator[Table]:
    """The bundled tables with each chip, size or source left out in turn: title and rows."""
    ours = published_observations()
    for key in keys:
        for rate in RATES:
            rows = leave_one_out(ours, key, (rate,))  # type: ignore[arg-type]
            yield title_of(rate, key), rows


def judged(path: Path) -> Iterator[Table]:
    """Chips of another table, predicted from ours; those that ours has too are left out of ours."""
    targets = other_table(path)
    groups = {row.group for row in targets}
    ours = [row for row in published_observations() if row.group not in groups]
    for rate in RATES:
        measured = [row for row in targets if getattr(row, f"{rate}_tps") is not None]
        if measured:
            fitted = FittedRate.of(rate, ours)
            rows = [compare_with_prediction(rate, fitted, row) for row in measured]
            yield f"{rate}, {path.name}", rows


def other_table(path: Path) -> list[Observation]:
    """Rows of a file of either layout."""
    rows = read_table(path)["rows"]
    by_model = any(isinstance(row, dict) and "active_parameters" in row for row in rows)
    if not by_model:
        return chip_table(path)
    unclear = unclear_chips(path)
    if unclear:
        sys.stderr.write(f"not judged, as no chip or several have the name: {', '.join(unclear)}\n")
    return community_table(path)


def split_lines(rows: Sequence[LooRow]) -> Iterator[tuple[str, ...]]:
    """A line for each platform, kind and size, for each platform and kind, and for each kind."""
    by_size = {(row.platform, kind_of(row), size_class(row.parameters)) for row in rows}
    by_kind = {(row.platform, kind_of(row), "all") for row in rows}
    by_all = {("all", kind_of(row), "all") for row in rows}
    for platform, kind, size in (*sorted(by_size), *sorted(by_kind), *sorted(by_all)):
        wanted = [
            row
            for row in rows
            if platform in (row.platform, "all")
            and kind == kind_of(row)
            and size in (size_class(row.parameters), "all")
        ]
        yield (platform, kind, size, *split_figures(wanted))


def split_figures(rows: Sequence[LooRow]) -> tuple[str, ...]:
    """Errors of the rows of a split; `printed` is the median of what answers on them would print:
    of the errors of the nearest split of the bundled tables."""
    errors = [row.error for row in rows]
    flat = [row.flat_error for row in rows if row.flat_error is not None]
    printed = [error for row in rows if (error := printed_error(row)) is not None]
    return (
        str(len(rows)),
        str(len({(row.platform, row.group) for row in rows})),
        f"{np.median(errors):.1%}",
        f"{np.quantile(errors, 0.9):.1%}",
        f"{np.mean([row.covered for row in rows]):.0%}",
        f"{np.median([row.high / row.low for row in rows]):.2f}",
        f"{np.median(printed):.1%}" if printed else "-",
        f"{np.median(flat):.1%}" if flat else "-",
    )


def printed_error(row: LooRow) -> float | None:
    """The error that an answer on a row's platform and model prints."""
    return nearest_split(bundled_errors(), row, row.rate).median


def row_line(row: LooRow) -> tuple[str, ...]:
    """A row beside its prediction."""
    return (
        row.group,
        row.model,
        row.quant,
        number(row.measured),
        number(row.predicted),
        f"{number(row.low)} to {number(row.high)}",
        f"{row.error:.1%}",
        number(row.flat_rule),
        "-" if row.flat_error is None else f"{row.flat_error:.1%}",
    )


def heading(title: str, markdown: bool) -> str:
    return f"**{title[0].upper()}{title[1:]}**" if markdown else title


def drawn(heads: Sequence[str], body: list[tuple[str, ...]], markdown: bool) -> str:
    """A table in columns, or in Markdown."""
    lines = [tuple(heads), *body]
    if markdown:
        lines.insert(1, ("---",) * len(heads))
        return "\n".join("|" + "|".join(line) + "|" for line in lines)
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


if __name__ == "__main__":
    sys.exit(main())
