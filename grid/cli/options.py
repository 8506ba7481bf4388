"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

SweepFile = Annotated[
    str | None,
    typer.Argument(
        metavar="[SWEEP.toml | MODEL]",
        help="Sweep file; or a model: hf:OWNER/NAME, ref:SIZE, a .gguf file, a folder with "
        "config.json; or smollm2, a real model from the package index. Without it the bundled "
        "quick.toml.",
    ),
]
Tasks = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Tasks to ask instead of those that the sweep names, separated by commas: ready sets "
        "and names of the harness, such as quick or mmlu,gsm8k. `grid tasks list` has them.",
    ),
]
StoreUri = Annotated[
    str,
    typer.Option(
        "--store", help="Where the rows are: a folder, or a URI such as s3://bucket/rows."
    ),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Measure again what is measured already.")]
Changed = Annotated[
    bool, typer.Option("--changed", help="Measure again what another engine version measured.")
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="A Ray cluster that this machine is a node of: auto, or HOST:PORT of its head; local "
        "for this machine alone. Default: $RAY_ADDRESS, else the running cluster of "
        "./cluster.yaml, else local.",
    ),
]
Nodes = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN",
        help="Only nodes whose name or hardware class is like this, such as '*RTX 4090*'.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON lines for machines.")]
Where = Annotated[
    str | None,
    typer.Option(
        "--where", help="SQL condition, such as \"quant = 'Q4_K_M' AND decode_tps > 20\"."
    ),
]
Columns = Annotated[
    str | None,
    typer.Option("--columns", help="Columns to show, separated by commas."),
]
