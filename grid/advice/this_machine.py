"""Which machine is meant where an ask names none: this one, where the store has rows of it."""

from __future__ import annotations

from dataclasses import replace
from socket import gethostname

import pyarrow.compute as pc

from grid.advice.ask import Ask
from grid.analysis.dataset import Dataset


def with_machine(dataset: Dataset, ask: Ask) -> Ask:
    """The ask, on this machine's hardware class where it names no machine."""
    if ask.hardware is not None or ask.chip is not None or ask.bandwidth_bytes_s is not None:
        return ask
    return replace(ask, hardware=class_of_this_machine(dataset))


def class_of_this_machine(dataset: Dataset) -> str | None:
    """The hardware class of the rows that this machine measured, where it is a single one. The
    machine is known by its host name: probing it would measure its bandwidth first."""
    own = (pc.field("node") == gethostname()) & (pc.field("origin") == "")
    classes = pc.unique(dataset.overview.attempts.filter(own)["hardware_class"]).to_pylist()
    return classes[0] if len(classes) == 1 else None
