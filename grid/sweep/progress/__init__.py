"""Shows a sweep's progress as a live line, plain lines, or JSON lines for programs.

It takes the events of `grid.sweep.events`. JSON lines carry them to another machine, where `replay`
shows them as the driver itself would:

    progress = progress_for(as_json)
    progress.tell(Planned(cells=12, modelled_s=60.0))
    progress.tell(CellStarted(cell_id=cell.id, label=cell.label, node="box"))
"""

from __future__ import annotations

import sys

from grid.sweep.progress.display import LiveProgress, PlainProgress, Progress
from grid.sweep.progress.json_lines import JsonProgress, replay

__all__ = ["JsonProgress", "LiveProgress", "PlainProgress", "Progress", "progress_for", "replay"]


def progress_for(as_json: bool) -> Progress:
    """JSON where asked for, a live bar on a terminal, plain lines elsewhere."""
    if as_json:
        return JsonProgress()
    return LiveProgress() if sys.stderr.isatty() else PlainProgress()
