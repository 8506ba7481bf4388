"""The last line of a sweep's JSON: what it did, and where its rows are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from grid.cli.views.console import print_json_line
from grid.results.uris import without_credentials

if TYPE_CHECKING:
    from grid.sweep.run import Summary


def print_summary_json(summary: Summary, store: str) -> None:
    """Print the `done` line; `engine_share` is the share of time inside the engine."""
    node_s = summary.span_s * summary.nodes
    engine_share = summary.engine_s / node_s if node_s > 0 else None
    fields = {"event": "done", **msgspec.structs.asdict(summary)}
    print_json_line({**fields, "store": without_credentials(store), "engine_share": engine_share})
