"""`grid diff`: what changed between two sets of results."""

from __future__ import annotations

from typing import Annotated

import typer

from grid.cli.help_text import Commands
from grid.cli.options import Hardware, Json, Model, Quant, StoreUri, split_names

By = Annotated[
    list[str] | None,
    typer.Option(
        "--by",
        metavar="KIND",
        help="What A and B are: sweep, engine-version, hardware, quant, backend. Without A and B: "
        "the two newest. With stores: what may differ between them; repeatable.",
    ),
]
FailOn = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-on",
        metavar="WORD:NUMBER%",
        help="Exit with 1 if B is surely beyond this: slower:5%, worse:1%, larger:10%; repeatable.",
    ),
]

EXAMPLES = """
grid diff results/ other/
grid diff --by sweep                      the two newest sweeps
grid diff sweep:before sweep:after --fail-on slower:5%
grid diff quant:Q4_K_M quant:Q5_K_M --model Qwen3-8B
grid diff hardware:4090 hardware:M4 --markdown
"""


def register(app: Commands) -> None:
    """Add the command to the command line."""
    app.command(epilog=EXAMPLES)(diff)


def diff(
    first: Annotated[
        str,
        typer.Argument(metavar="A", help="A store, or KIND:NAME of rows in one: quant:Q4_K_M."),
    ] = "",
    second: Annotated[
        str, typer.Argument(metavar="B", help="The same kind of side; changes are B against A.")
    ] = "",
    store: StoreUri = "results",
    by: By = None,
    model: Model = None,
    quant: Quant = None,
    hardware: Hardware = None,
    fail_on: FailOn = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show every cell, not only those that differ.")
    ] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare two stores, sweeps, engine versions, machines or quants.

    Cells that are the same but for what is compared are pairs. Each has the change of B against A
    with its interval, and each family of figures a summary: faster, slower or no difference told.

    Exit codes: 0 done, 1 a --fail-on is surely passed over, 2 wrong input.
    """
    from grid.cli.without_pandas import leave_pandas_out

    leave_pandas_out()
    from grid.analysis.diff import compare_sides, open_sides, parse_threshold
    from grid.analysis.diff.thresholds import check
    from grid.cli.selection import filter_of
    from grid.cli.views.console import warn
    from grid.cli.views.diff import show_difference
    from grid.errors import InputError
    from grid.results.problems import missing_rows_note

    if as_json and as_markdown:
        raise InputError("give --json or --markdown, not both")
    thresholds = [parse_threshold(text) for text in split_names(fail_on)]
    kinds = split_names(by)
    choose = filter_of(model, quant, hardware)
    sides = open_sides(first, second, store=store, by=kinds, choose=choose)
    for note in dict.fromkeys(missing_rows_note(side.problems) for side in sides):
        warn(note)
    difference = compare_sides(*sides, by=kinds)
    outcomes = [check(threshold, difference) for threshold in thresholds]
    form = "json" if as_json else "markdown" if as_markdown else "tables"
    show_difference(difference, outcomes, form, everything)
    raise typer.Exit(1 if any(outcome.beyond for outcome in outcomes) else 0)
