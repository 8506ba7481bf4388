"""The last lines of a sweep: what it did, and where its rows are."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import msgspec

from grid.cli.views.console import console
from grid.results.uris import without_credentials
from grid.units import format_seconds

if TYPE_CHECKING:
    from grid.sweep.run import Summary


def show_summary(summary: Summary, store: str, as_json: bool) -> None:
    """Print a sweep's summary for people, or as the `done` line of its JSON."""
    node_s = summary.span_s * summary.nodes
    engine_share = summary.engine_s / node_s if node_s > 0 else None
    place = without_credentials(store)
    if as_json:
        fields = {"event": "done", **msgspec.structs.asdict(summary), "store": place}
        sys.stdout.write(json.dumps({**fields, "engine_share": engine_share}) + "\n")
        return
    parts = [f"{summary.measured} cells measured"]
    parts += [f"{summary.failed} failed"] if summary.failed else []
    parts += [f"{summary.skipped} skipped"] if summary.skipped else []
    parts += [f"{summary.already} measured before"] if summary.already else []
    where = f" on {summary.nodes} nodes" if summary.nodes > 1 else ""
    text = f"{', '.join(parts)}{where} in {format_seconds(summary.wall_s)}"
    if engine_share is not None:
        text += f"; {engine_share:.0%} of the time from first to last cell was inside the engine"
    out = console()
    out.print(text)
    text = f"rows: {place}   (grid results, grid results export, grid.open({place!r}))"
    out.print(text, markup=False)
