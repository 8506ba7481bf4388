"""`grid compare`: the same prompt through several variants."""

from __future__ import annotations

from typing import Annotated

import typer

from grid.cli.options import Json, SweepFile

Quants = Annotated[
    str | None, typer.Option("--quants", help="Quants to compare, separated by commas: Q2_K,F16.")
]
Prompt = Annotated[
    str, typer.Option("--prompt", help="Text to go on with; - reads it from standard input.")
]
Rows = Annotated[
    str | None,
    typer.Option(
        "--store", help="Compare variants that this store has rows of, instead of a sweep's."
    ),
]
Variants = Annotated[
    list[str] | None,
    typer.Option(
        "--variant",
        metavar="LABEL | ID",
        help="A variant of the store, such as 'small Q4_K_M'; may be given several times.",
    ),
]


def compare(
    file: SweepFile = None,
    quants: Quants = None,
    prompt: Prompt = "",
    tokens: Annotated[int, typer.Option(help="Tokens to go on with, at most.")] = 64,
    store: Rows = None,
    variant: Variants = None,
    listed: Annotated[
        bool,
        typer.Option("--list", help="Only list a store's variants, and which of them run here."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Run one prompt through several variants: where do they part?

    Every token is the likeliest one, so the same call gives the same again. One engine runs at a
    time. Exit codes: 0 done, 1 some variant gave nothing and its line says why, 2 wrong input.
    """
    from grid.cli.views.compare import Asked, list_variants, show_comparison

    if listed:
        list_variants(store or "results", as_json)
        return
    asked = Asked(
        file=file,
        quants=tuple(one.strip() for one in (quants or "").split(",") if one.strip()),
        prompt=prompt,
        tokens=tokens,
        store=store or ("results" if variant else None),
        variants=tuple(variant or ()),
        as_json=as_json,
    )
    raise typer.Exit(show_comparison(asked))


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(compare)
