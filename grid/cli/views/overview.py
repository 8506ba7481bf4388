"""`grid` alone: this machine, what its store holds, and what to do next."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from grid.cli.completion import DEFAULT_STORE, STORE_VARIABLE
from grid.cli.views.console import console, pairs
from grid.cli.without_pandas import leave_pandas_out
from grid.errors import InputError
from grid.hardware.node import Node
from grid.hardware.probe import probe_node
from grid.results.reader import Results
from grid.results.uris import without_credentials
from grid.units import count_of

COLUMNS = (
    "artifact_id", "backend", "hardware_class", "model", "origin", "status", "sweep", "started_at",
)  # fmt: skip

NEXT = {
    "grid recommend": "what to run on this machine, and how to start it",
    "grid show": "everything that was measured",
    "grid app": "the same in the browser",
    "grid sweep MODEL": "measure a model: hf:OWNER/NAME, a file, a folder",
}
NEXT_HERE = {"grid sweep": "measure on this machine too", **NEXT}
FIRST = {
    "grid sweep": "measure the bundled models, in minutes",
    "grid sweep hf:OWNER/NAME": "measure a model of Hugging Face",
    "grid recommend --for 8B": "which hardware runs a model, from published figures",
    "grid doctor": "check this machine and its backends",
}
"""Commands and what they do: with rows of this machine, with rows of others, and without any."""


class StoreSummary(NamedTuple):
    """What a store holds: variants that were measured, and the newest sweep."""

    variants: int
    models: tuple[str, ...]
    classes: frozenset[str]
    sweep: str
    started: datetime | None


def show_overview() -> None:
    """Print the machine, the store and the next commands."""
    leave_pandas_out()
    node = probe_node()
    store = os.environ.get(STORE_VARIABLE) or DEFAULT_STORE
    try:
        summary, trouble = summarise(store), ""
    except InputError as error:
        summary, trouble = None, str(error)
    out = console()
    out.print(
        pairs(
            [
                ("machine", f"{node.short_name}  ({node.name})"),
                ("store", trouble or describe(without_credentials(store), summary)),
            ]
        )
    )
    out.print("\nnext", style="bold")
    out.print(pairs([(f"  {command}", what) for command, what in next_steps(summary, node)]))
    out.print("\nAll commands: grid --help")


def summarise(store: str) -> StoreSummary | None:
    """What a store holds; None where it has no row. Raises InputError where it cannot be read."""
    rows = Results(store).read("attempts", COLUMNS)
    if rows.num_rows == 0:
        return None
    good = rows.filter(pc.equal(rows["status"], pa.scalar("ok")))
    variants = good.group_by(["artifact_id", "backend", "hardware_class"]).aggregate([])
    newest = _newest(rows)
    return StoreSummary(
        variants=variants.num_rows,
        models=tuple(sorted(filter(None, pc.unique(good["model"]).to_pylist()))),
        classes=frozenset(filter(None, pc.unique(good["hardware_class"]).to_pylist())),
        sweep=newest["sweep"] or "",
        started=newest["started_at"],
    )


def _newest(rows: Any) -> dict[str, Any]:
    place = pc.index(rows["started_at"], pc.max(rows["started_at"])).as_py()
    row: dict[str, Any] = rows.slice(max(place, 0), 1).to_pylist()[0]
    return row


def describe(store: str, summary: StoreSummary | None) -> str:
    """The store in a sentence or two."""
    if summary is None:
        return f"{store} holds nothing yet"
    models = f"{len(summary.models)} models" if len(summary.models) > 2 else ""
    text = (
        f"{store}: {count_of(summary.variants, 'variant')} of "
        f"{models or ' and '.join(summary.models)} on {count_of(len(summary.classes), 'machine')}"
    )
    if summary.sweep and summary.started is not None:
        text += f"; newest sweep {summary.sweep}, {age(summary.started)}"
    return text


def next_steps(summary: StoreSummary | None, node: Node) -> Sequence[tuple[str, str]]:
    """Commands that suit what the store has of this machine, each with what it does."""
    if summary is None:
        return list(FIRST.items())
    return list((NEXT if node.classes_among(summary.classes) else NEXT_HERE).items())


def age(then: datetime) -> str:
    """`3 hours ago`."""
    aware = then if then.tzinfo else then.replace(tzinfo=UTC)
    seconds = max(0.0, (datetime.now(UTC) - aware).total_seconds())
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return f"{count_of(int(seconds // size), unit)} ago"
    return "just now"
