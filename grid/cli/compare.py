"""`grid compare`: the same prompt through several variants."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from grid.cli.completion import DEFAULT_STORE, STORE_VARIABLE
from grid.cli.help_text import Commands
from grid.cli.options import Json, Model, Quant, SweepFile, split_names
from grid.errors import InputError, choose_name

if TYPE_CHECKING:
    from grid.plan.sweep import Sweep
    from grid.sweep.compare import Choice, Unusable

LIST_PROMPT = "a"
"""What a listing plans for: a request of the smallest size."""

OldQuants = Annotated[str | None, typer.Option("--quants", hidden=True)]
Prompt = Annotated[
    str, typer.Option("--prompt", metavar="TEXT", help="Text to go on with; -: standard input.")
]
Rows = Annotated[
    str | None,
    typer.Option(
        "--store",
        envvar=STORE_VARIABLE,
        metavar="FOLDER | URI",
        help="Compare variants that this store has rows of, instead of a sweep's.",
    ),
]
Variants = Annotated[
    list[str] | None,
    typer.Option(
        "--variant",
        metavar="NAME | ID",
        help="A variant of the store, such as 'small Q4_K_M'; repeatable.",
    ),
]

EXAMPLES = """
grid compare --prompt "The sea" --quant F16,Q4_K_M
grid compare --store results --variant 'small Q4_K_M' --variant 'small Q2_K'
grid compare --store results --list
"""


class CompareArgs(NamedTuple):
    """A comparison, by the command line."""

    file: str | None
    quants: tuple[str, ...]
    models: tuple[str, ...]
    prompt: str
    tokens: int
    store: str | None
    variants: tuple[str, ...]
    plain: bool
    as_json: bool


def register(app: Commands) -> None:
    """Add the command to the command line."""
    app.command(epilog=EXAMPLES)(compare)


def compare(
    context: typer.Context,
    file: SweepFile = None,
    prompt: Prompt = "",
    quant: Quant = None,
    model: Model = None,
    variant: Variants = None,
    store: Rows = None,
    tokens: Annotated[
        int, typer.Option(metavar="COUNT", help="Tokens to go on with, at most.")
    ] = 64,
    plain: Annotated[
        bool, typer.Option("--plain", help="Give the prompt as it is, without a chat template.")
    ] = False,
    listed: Annotated[
        bool, typer.Option("--list", help="List a store's variants and which of them run here.")
    ] = False,
    quants: OldQuants = None,
    as_json: Json = False,
) -> None:
    """Run one prompt through several variants and compare the outputs.

    A model with a chat template gets the prompt as a user's message. Every token is the likeliest
    one, so the same command gives the same outputs. One engine runs at a time.

    Exit codes: 0 done, 1 some variant gave no output and its line says why, 2 wrong input.
    """
    if listed:
        list_variants(store or DEFAULT_STORE, as_json)
        return
    source = context.get_parameter_source("store")
    if file is not None and source is not None and source.name == "ENVIRONMENT":
        store = None
    args = CompareArgs(
        file=file,
        quants=split_names([*(quant or ()), quants or ""]),
        models=split_names(model),
        prompt=prompt,
        tokens=tokens,
        store=store or (DEFAULT_STORE if variant else None),
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
    from grid.cli.stored_variants import choose_from_store
    from grid.plan.load import load_sweep
    from grid.plan.model_sweep import load_requested_sweep
    from grid.sweep.compare.choice import choose_from_sweep

    if args.store is None:
        sweep = load_requested_sweep(args.file)
        choices = choose_from_sweep(sweep, args.quants, prompt, args.tokens)
        return sweep, _of_models(choices, args.models)
    if args.file is not None:
        raise InputError("give a sweep or model to compare, or --store with its variants, not both")
    wanted = list(args.variants)
    if (args.quants or args.models) and not wanted:
        wanted = _wanted_ids(args)
    return load_sweep(), choose_from_store(args.store, wanted, prompt, args.tokens)


def _wanted_ids(args: CompareArgs) -> list[str]:
    """The variants of a store that are of the quants and models. Raises InputError with the
    nearest name for one of nothing there."""
    from grid.cli.stored_variants import stored_variants

    variants = stored_variants(args.store or DEFAULT_STORE, of_tests=True)
    quants = {choose_name(name, [v.quant for v in variants], "quant") for name in args.quants}
    models = {choose_name(name, [v.model for v in variants], "model") for name in args.models}
    wanted = [
        variant.ids[0]
        for variant in variants
        if (not quants or variant.quant in quants) and (not models or variant.model in models)
    ]
    if not wanted:
        chosen = ", ".join((*models, *quants))
        raise InputError(f"{args.store} has no variant of {chosen}; `grid compare --list`")
    return wanted


def _of_models(
    choices: list[Choice | Unusable], models: tuple[str, ...]
) -> list[Choice | Unusable]:
    if not models:
        return choices
    named = [(_model_of(choice), choice) for choice in choices]
    wanted = {choose_name(name, [model for model, _ in named], "model") for name in models}
    return [choice for model, choice in named if model in wanted]


def _model_of(choice: Choice | Unusable) -> str:
    from grid.sweep.compare import Choice

    return choice.cell.artifact.model.name if isinstance(choice, Choice) else choice.model
