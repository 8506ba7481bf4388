"""Progress as JSON lines, and such lines as progress again."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from grid.sweep.progress.pace import Pace
from grid.sweep.progress.shown import Progress
from grid.sweep.progress.steps import AnyStep, Finished, Step

_STEP = msgspec.json.Decoder(AnyStep)


class JsonProgress:
    """One JSON object a line on standard output."""

    def __init__(self) -> None:
        self._pace = Pace()

    def tell(self, step: Step) -> None:
        self._pace.count(step)
        fields: dict[str, Any] = msgspec.to_builtins(step)
        if isinstance(step, Finished):
            pace = self._pace
            fields |= {"done": pace.done, "total": pace.total, "eta_s": pace.eta_s}
        sys.stdout.write(msgspec.json.encode(fields).decode() + "\n")
        sys.stdout.flush()


def replay(lines: Iterable[str], progress: Progress) -> Iterator[str]:
    """Tell a progress what JSON lines say, as they come, and give back those that are no step: a
    sweep's summary, and what was said on standard error."""
    for line in lines:
        try:
            step = _STEP.decode(line)
        except msgspec.MsgspecError:
            yield line
        else:
            progress.tell(step)
