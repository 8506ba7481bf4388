"""`python -m grid.cli.compare_server STORE`: comparisons for a page, one after the other.

It prints the store's variants as a line of JSON, then reads a request a line from standard input
and prints each output when it is there, and the comparison. What is slow is done once: importing,
planning, starting an engine. It ends with its input, and by itself when nothing was asked for
`IDLE_S`, so that no model stays in memory.
"""

from __future__ import annotations

import select
import sys
from collections.abc import Mapping

import msgspec

from grid.cli.stored_variants import plan_variants, stored_variants
from grid.cli.views.compare import print_variants, progress_printer
from grid.cli.views.console import print_json_line
from grid.cli.without_pandas import leave_pandas_out
from grid.engine.interrupts import listen
from grid.errors import GridError
from grid.hardware.probe import probe_node
from grid.plan.load import load_sweep
from grid.sweep.compare import Choice, Output, RequestRunner, Unusable
from grid.sweep.run import settings_of

IDLE_S = 600.0

LIST_PROMPT = "a"
"""What the variants are planned for: a request of the smallest size."""


class CompareRequest(msgspec.Struct, frozen=True):
    """Ids of variants, and what each is to go on with."""

    variants: tuple[str, ...]
    prompt: str
    tokens: int


def serve(store: str) -> None:
    """Answer requests until there are no more. Raises InputError for a store without variants."""
    node = probe_node()
    variants = stored_variants(store)
    chosen = plan_variants(variants, LIST_PROMPT, 1, node)
    print_variants(variants, chosen, as_json=True)
    choices = {variant.ids[0]: choice for variant, choice in zip(variants, chosen, strict=True)}
    settings = settings_of(load_sweep())
    with RequestRunner(settings, node, progress_printer(as_json=True), _print_output) as runner:
        while select.select([sys.stdin], [], [], IDLE_S)[0] and (line := sys.stdin.readline()):
            _answer(runner, choices, msgspec.json.decode(line, type=CompareRequest))


def _answer(
    runner: RequestRunner, choices: Mapping[str, Choice | Unusable], request: CompareRequest
) -> None:
    try:
        wanted = [choices[variant] for variant in request.variants]
        comparison = runner.compare(wanted, request.prompt, request.tokens)
    except (GridError, LookupError) as error:
        print_json_line({"event": "failed", "reason": str(error)})
        return
    print_json_line({"event": "compared", **msgspec.to_builtins(comparison)})


def _print_output(place: int, output: Output) -> None:
    print_json_line({"event": "output", "place": place, "output": msgspec.to_builtins(output)})


def main() -> None:
    leave_pandas_out()
    listen()
    try:
        serve(sys.argv[1])
    except GridError as error:
        sys.stderr.write(f"grid: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
