"""`grid compare`: the same prompt through several variants."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from grid.cli.options import Json, SweepFile
from grid.errors import InputError

if TYPE_CHECKING:
    from grid.plan.sweep import Sweep
    from grid.sweep.compare import Choice, Unusable

LIST_PROMPT = "a"
"""What a listing plans for: a request of the smallest size."""

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


class CompareArgs(NamedTuple):
    """A comparison, by the command line."""

    file: str | None
    quants: tuple[str, ...]
    prompt: str
    tokens: int
    store: str | None
    variants: tuple[str, ...]
    plain: bool
    as_json: bool


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(compare)


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
    plain: Annotated[
        bool,
        typer.Option("--plain", help="Give the prompt as it is, without a chat template."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Run one prompt through several variants: where do they part?

    A model with a chat template is given the prompt as a user's message, which its output says.
    Every token is the likeliest one, so the same call gives the same again. One engine runs at a
    time. Exit codes: 0 done, 1 some variant gave nothing and its line says why, 2 wrong input.
    """
    if listed:
        list_variants(store or "results", as_json)
        return
    args = CompareArgs(
        file=file,
        quants=tuple(quant.strip() for quant in (quants or "").split(",") if quant.strip()),
        prompt=prompt,
        tokens=tokens,
        store=store or ("results" if variant else None),
        variants=tuple(variant or ()),
        plain=plain,
        as_json=as_json,
    )
    raise typer.Exit(run_comparison(args))


def run_comparison(args: CompareArgs) -> int:
    """Compare variants, print the comparison, and return the exit code."""
    from grid.cli.views.compare import print_comparison, progress_printer
    from grid.sweep.compare import compare as compare_variants
    from grid.sweep.run import settings_of

    prompt = _read_prompt(args.prompt)
    sweep, choices = _choose(args, prompt)
    tell = progress_printer(args.as_json)
    comparison = compare_variants(
        choices, prompt, args.tokens, settings_of(sweep), on_progress=tell, plain=args.plain
    )
    print_comparison(comparison, args.as_json)
    return 1 if comparison.failed else 0


def list_variants(store: str, as_json: bool) -> None:
    """Print what a store has rows of, and whether each can be run on this machine."""
    from grid.cli.stored_variants import choose_from_store, stored_variants
    from grid.cli.views.compare import print_variants

    variants = stored_variants(store)
    print_variants(variants, choose_from_store(store, [], LIST_PROMPT, tokens=1), as_json)


def _read_prompt(written: str) -> str:
    if written != "-":
        return written
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise InputError(f"the prompt is not UTF-8 (byte {error.start})") from None


def _choose(args: CompareArgs, prompt: str) -> tuple[Sweep, list[Choice | Unusable]]:
    """The variants of a sweep or of a store that are to be compared."""
    from grid.cli.stored_variants import choose_from_store, stored_variants
    from grid.plan.load import load_sweep
    from grid.plan.model_sweep import load_requested_sweep
    from grid.sweep.compare.choice import choose_from_sweep

    if args.store is None:
        sweep = load_requested_sweep(args.file)
        return sweep, choose_from_sweep(sweep, args.quants, prompt, args.tokens)
    if args.file is not None:
        raise InputError("give a sweep or model to compare, or --store with its variants, not both")
    wanted = list(args.variants)
    if args.quants and not wanted:
        quants = {quant.lower() for quant in args.quants}
        variants = stored_variants(args.store)
        wanted = [variant.ids[0] for variant in variants if variant.quant.lower() in quants]
        if not wanted:
            raise InputError(f"{args.store} has no variant of {', '.join(args.quants)}")
    return load_sweep(), choose_from_store(args.store, wanted, prompt, args.tokens)
