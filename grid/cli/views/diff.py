"""A difference as tables of a terminal, as Markdown and as JSON."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from grid.analysis.diff import CellChange, Difference, FigureFamily, ThresholdOutcome
from grid.analysis.diff.difference import NO_DIFFERENCE, FigureKind
from grid.analysis.figures import ABSENT, number, wait
from grid.cli.views.console import console, print_json, table
from grid.errors import name_some
from grid.models.display_names import visible
from grid.results.statistics import Interval
from grid.units import format_bytes

MOST_ROWS = 20
"""Cells of a family that are shown without `--all`."""

LABELS_SHOWN = 3

_MARKUP = re.compile(r"([\\|<>&\[\]`*_~#])")


class _Block(NamedTuple):
    """A title, columns and rows; a table in every form."""

    title: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]


def show_difference(
    difference: Difference,
    outcomes: Sequence[ThresholdOutcome],
    form: str,
    everything: bool = False,
) -> None:
    """Print a difference as `tables`, `markdown` or `json`."""
    if form == "json":
        print_json(difference_json(difference, outcomes))
    elif form == "markdown":
        sys.stdout.write(markdown(difference, outcomes, everything))
    else:
        print_difference(difference, outcomes, everything)


def print_difference(
    difference: Difference, outcomes: Sequence[ThresholdOutcome], everything: bool = False
) -> None:
    """Print what changed: the summary, the cells that differ, and what could not be paired."""
    out = console()
    for line in _head(difference):
        out.print(line)
    for block in _blocks(difference, everything):
        out.print(f"\n{block.title}", style="bold")
        numbers = [at for at, head in enumerate(block.heads) if head in _NUMBERS]
        wrap = [at for at, head in enumerate(block.heads) if head in _SENTENCES]
        optional = [at for at, head in enumerate(block.heads) if head in ("A", "B")]
        out.print(
            table(block.heads, block.rows, right=numbers, wrap=wrap, names=(0,), optional=optional)
        )
    for line in _tail(difference, outcomes):
        out.print(line)


def markdown(
    difference: Difference, outcomes: Sequence[ThresholdOutcome], everything: bool = False
) -> str:
    """The same for a pull request: nothing in a name acts as markup."""
    lines = [f"### {_escaped(_head(difference)[0])}", ""]
    lines += [f"{_escaped(line)}  " for line in _head(difference)[1:]]
    for block in _blocks(difference, everything):
        lines += ["", f"**{_escaped(block.title)}**", ""]
        lines.append(_row(block.heads))
        lines.append(_row(["---:" if head in _NUMBERS else "---" for head in block.heads], False))
        lines += [_row(row) for row in block.rows]
    lines += [""] + [f"{_escaped(line)}  " for line in _tail(difference, outcomes)]
    return "\n".join(lines).rstrip() + "\n"


_NUMBERS = ("A", "B", "change", "cells", "count")
_SENTENCES = ("verdict", "why", "such as")


def _row(cells: Sequence[str], escaped: bool = True) -> str:
    return "| " + " | ".join(_escaped(c) if escaped else c for c in cells) + " |"


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", visible(text))


def _head(difference: Difference) -> list[str]:
    lines = [f"{difference.second} (B) against {difference.first} (A): {_pairs(difference.pairs)}"]
    if difference.changes:
        lines.append("also different, A / B: " + "; ".join(difference.changes))
    return lines


def _pairs(count: int) -> str:
    return "1 pair of cells" if count == 1 else f"{count:,} pairs of cells"


def _blocks(difference: Difference, everything: bool) -> list[_Block]:
    blocks = []
    if difference.families:
        rows = [_summary_row(family) for family in difference.families]
        blocks.append(_Block("summary", ("figure", "cells", "change", "verdict"), rows))
    for family in difference.families:
        shown = _shown_figures(family, everything)
        if shown:
            hidden = len(family.figures) - len(shown)
            title = f"{family.kind.title}" + (f", {hidden} more with --all" if hidden else "")
            rows = [_figure_row(family.kind, figure) for figure in shown]
            blocks.append(_Block(title, ("cell", "A", "B", "change", "verdict"), rows))
    if difference.unpaired:
        blocks.append(
            _Block("not paired", ("why", "side", "count", "such as"), _unpaired(difference))
        )
    return blocks


def _shown_figures(family: FigureFamily, everything: bool) -> list[CellChange]:
    if everything or len(family.figures) <= 1:
        return list(family.figures)
    telling = [f for f in family.figures if f.verdict != NO_DIFFERENCE or f.note]
    return telling[:MOST_ROWS]


def _summary_row(family: FigureFamily) -> tuple[str, ...]:
    count = len(family.figures)
    cells = f"{count}" if family.cells == count else f"{family.cells} of {count}"
    if family.summary is None:
        why = family.figures[0].note.partition(" in ")[0] or "no interval"
        return family.kind.title, cells, ABSENT, f"cannot tell: {why}"
    return family.kind.title, cells, _change(family.kind, family.summary), family.verdict


def _figure_row(kind: FigureKind, figure: CellChange) -> tuple[str, ...]:
    verdict = figure.note or figure.verdict
    values = (_value(kind, value) for value in (figure.first, figure.second))
    return (figure.label, *values, _change(kind, figure.change), verdict)


def _value(kind: FigureKind, value: float) -> str:
    if kind.unit == "B":
        return format_bytes(round(value))
    return wait(value) if kind.unit == "s" else number(value)


def _change(kind: FigureKind, change: Interval) -> str:
    """`-4.1 % [-6.0, -2.1]`; points of a score."""
    unit = "%" if kind.scale == "ratio" else "points"
    value = f"{_signed(change.value)} {unit}"
    if change.low is None or change.high is None or change.low == change.high:
        return value
    return f"{value} [{_signed(change.low)}, {_signed(change.high)}]"


def _signed(share: float) -> str:
    percent = 100 * share
    digits = 0 if abs(percent) >= 100 else 1 if abs(percent) >= 0.95 else 2
    return f"{round(percent, digits) + 0.0:+,.{digits}f}" if percent else "0"


def _unpaired(difference: Difference) -> list[tuple[str, ...]]:
    groups: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for cell in difference.unpaired:
        groups[cell.reason, cell.side].append(cell.label)
    return [
        (reason, side, f"{len(labels):,}", name_some(labels, LABELS_SHOWN))
        for (reason, side), labels in sorted(groups.items(), key=lambda item: -len(item[1]))
    ]


def _tail(difference: Difference, outcomes: Sequence[ThresholdOutcome]) -> list[str]:
    lines = []
    shifts = {round(family.shift, 3) for family in difference.families if family.shift}
    if shifts:
        widest = max(shifts, key=abs)
        lines.append(
            f"The machine's own kernels ran {_signed(-widest)} % faster in B than in A; intervals "
            "of speed are wider by that."
            if widest < 0
            else f"The machine's own kernels ran {_signed(widest)} % slower in B than in A; "
            "intervals of speed are wider by that."
        )
    if difference.families:
        lines.append(
            "A change is B against A with an interval; those of a figure hold together in 95 % of "
            "cases."
        )
    lines += [_outcome(outcome) for outcome in outcomes]
    return ["", *lines] if lines else []


def _outcome(outcome: ThresholdOutcome) -> str:
    threshold = f"--fail-on {outcome.threshold}"
    if outcome.beyond:
        return f"{threshold}: FAIL, {name_some(outcome.beyond, LABELS_SHOWN)}"
    if not outcome.looked_at:
        return f"{threshold}: cannot tell, no cell decides"
    if outcome.unsure:
        names = name_some(outcome.unsure, LABELS_SHOWN)
        return f"{threshold}: not shown; intervals reach over it: {names}"
    return f"{threshold}: pass, all intervals are within"


def difference_json(difference: Difference, outcomes: Sequence[ThresholdOutcome]) -> dict[str, Any]:
    """All of it; changes are shares (-0.05 is 5 % less), of scores differences."""
    return {
        "a": difference.first,
        "b": difference.second,
        "pairs": difference.pairs,
        "also_different": list(difference.changes),
        "families": [_family_json(family) for family in difference.families],
        "unpaired": [cell._asdict() for cell in difference.unpaired],
        "fail_on": [
            {
                "threshold": str(outcome.threshold),
                "failed": bool(outcome.beyond),
                "beyond": outcome.beyond,
                "cannot_tell": outcome.unsure,
                "cells": outcome.looked_at,
            }
            for outcome in outcomes
        ],
    }


def _family_json(family: FigureFamily) -> dict[str, Any]:
    return {
        "name": family.kind.name,
        "title": family.kind.title,
        "unit": family.kind.unit,
        "scale": family.kind.scale,
        "verdict": family.verdict,
        "change": _interval_json(family.summary),
        "cells_deciding": family.cells,
        "machine_shift": family.shift,
        "cells": [
            {
                "cell": figure.label,
                "a": figure.first,
                "b": figure.second,
                "change": _interval_json(figure.change),
                "verdict": figure.verdict,
                "note": figure.note,
                "disturbed": list(figure.disturbed),
            }
            for figure in family.figures
        ],
    }


def _interval_json(change: Interval | None) -> dict[str, float | None] | None:
    return None if change is None else {n: getattr(change, n) for n in ("value", "low", "high")}
