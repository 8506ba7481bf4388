"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from grid.cli.completion import (
    STORE_VARIABLE,
    complete_hardware,
    complete_model,
    complete_quant,
    complete_sweep,
)

SweepFile = Annotated[
    str | None,
    typer.Argument(
        metavar="SWEEP.toml | MODEL",
        help="A sweep file, or a model: hf:OWNER/NAME, ref:SIZE (bundled), a .gguf file, a folder "
        "with config.json. Without it the bundled quick.toml. smollm2 is a real model that needs "
        "no hub.",
        autocompletion=complete_sweep,
    ),
]
Tasks = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Tasks or ready sets, separated by commas, instead of the sweep's own: quick, "
        "mmlu,gsm8k. `grid tasks list` has them.",
    ),
]
StoreUri = Annotated[
    str,
    typer.Option(
        "--store",
        envvar=STORE_VARIABLE,
        metavar="FOLDER | URI",
        help="The store of results: a folder, or a URI such as s3://bucket/rows.",
    ),
]
Model = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Only these models; repeat, or separate by commas.",
        autocompletion=complete_model,
    ),
]
Quant = Annotated[
    list[str] | None,
    typer.Option(
        "--quant",
        metavar="TYPE",
        help="Only these quants, such as Q4_K_M; repeat, or separate by commas.",
        autocompletion=complete_quant,
    ),
]
SweepQuant = Annotated[
    list[str] | None,
    typer.Option(
        "--quant",
        metavar="TYPE",
        help="Quants instead of the sweep's own: Q4_K_M,Q8_0; repeat, or separate by commas.",
        autocompletion=complete_quant,
    ),
]
Hardware = Annotated[
    str | None,
    typer.Option(
        "--hardware",
        metavar="NAME",
        help="Only this hardware class: its name, or a part of it.",
        autocompletion=complete_hardware,
    ),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Measure again what is measured already.")]
FreshProbe = Annotated[bool, typer.Option("--fresh", help="Measure the memory's bandwidth again.")]
Changed = Annotated[
    bool, typer.Option("--changed", help="Measure again what another engine version measured.")
]
WHERE_IT_RUNS = "Where it runs"
"""Panel of the options that choose machines."""

Address = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        rich_help_panel=WHERE_IT_RUNS,
        help="A Ray cluster that this machine belongs to: auto, or HOST:PORT of its head; local: "
        "this machine alone. Default: $RAY_ADDRESS, then ./cluster.yaml if it is up, then local.",
    ),
]
Nodes = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN",
        rich_help_panel=WHERE_IT_RUNS,
        help="Only nodes whose name or hardware class is like this: '*RTX 4090*'.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]
Where = Annotated[
    str | None,
    typer.Option(
        "--where",
        metavar="SQL",
        help="A condition, such as \"quant = 'Q4_K_M' AND decode_tps > 20\".",
    ),
]
Columns = Annotated[
    str | None,
    typer.Option("--columns", metavar="NAMES", help="Columns to show, separated by commas."),
]


def split_names(written: Sequence[str] | None) -> tuple[str, ...]:
    """Names of an option that may be repeated and holds commas, each once."""
    parts = (part.strip() for text in written or () for part in text.split(","))
    return tuple(dict.fromkeys(part for part in parts if part))
