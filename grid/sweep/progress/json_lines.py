"""Progress as JSON lines, and such lines as progress again."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from grid.sweep.events import CellDone, Event
from grid.sweep.progress.display import Progress
from grid.sweep.progress.pace import Pace

_EVENT: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class JsonProgress:
    """One JSON object a line on standard output."""

    def __init__(self) -> None:
        self._pace = Pace()

    def tell(self, event: Event) -> None:
        self._pace.count(event)
        fields: dict[str, Any] = msgspec.to_builtins(event)
        if isinstance(event, CellDone):
            pace = self._pace
            fields |= {"done": pace.done, "total": pace.total, "eta_s": pace.eta_s}
        sys.stdout.write(msgspec.json.encode(fields).decode() + "\n")
        sys.stdout.flush()


def replay(lines: Iterable[str], progress: Progress) -> Iterator[str]:
    """Pass the events of JSON lines to a progress as they come, and yield the lines that are no
    event: a sweep's summary, and standard error."""
    for line in lines:
        try:
            event = _EVENT.decode(line)
        except msgspec.MsgspecError:
            yield line
        else:
            progress.tell(event)
