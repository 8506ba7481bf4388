"""The nouns of dispatch: a cell as work, a node that takes work, costs, assignments.

Seconds and bytes are estimates. A *profile* is the key of a time estimate: a hardware class, or
something finer. A cell may run at the profiles that it has seconds for, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

LOAD_S = 10.0
"""Seconds that opening an engine takes where nothing better is known: a process and a few GB."""

MAKE_S = 30.0
"""Seconds until an artifact is on a node's disk where nothing better is known."""


class Work(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One cell as the policy sees it."""

    cell_id: str
    engine: str
    """Cells of one engine share a loaded engine: artifact, backend and options."""
    artifact: str
    exclusive: bool
    """Needs the node for itself."""
    seconds: Mapping[str, float]
    """Estimated duration at each profile that may run it, the engine being loaded."""
    host_bytes: int = 0
    device_bytes: int = 0
    rank: tuple[int, ...] = ()
    """Order within the engine, smaller first; equal ranks keep the order in which they came."""


class NodeSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A node that takes work."""

    name: str
    profile: str
    host_bytes: int
    device_bytes: int = 0
    slots: int = 1
    """Shared batches that may run at once; an exclusive batch takes all of them."""
    disk: frozenset[str] = frozenset()
    """Artifacts that are there already."""


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds spent beside the cells themselves."""

    loads: Mapping[tuple[str, str], float] = msgspec.field(default_factory=dict)
    """Until the engine is open, by engine and profile."""
    makes: Mapping[tuple[str, str], float] = msgspec.field(default_factory=dict)
    """Until the artifact is on a node's disk, however it comes there, by artifact and profile."""

    def load_s(self, engine: str, profile: str) -> float:
        return self.loads.get((engine, profile), LOAD_S)

    def make_s(self, artifact: str, profile: str) -> float:
        return self.makes.get((artifact, profile), MAKE_S)


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """Cells of one engine for one node, in the order to run them."""

    node: str
    engine: str
    cells: tuple[str, ...]
    exclusive: bool


class AttemptOutcome(StrEnum):
    """How an attempt ended, for dispatch."""

    ok = "ok"
    failed = "failed"
    """An error or a timeout, which another node may not repeat."""
    final = "final"
    """Out of memory, unsupported, skipped: another node of the class would say the same."""


class Returned(msgspec.Struct, frozen=True, kw_only=True):
    """The unfinished cells of a batch that is over: queued again, or given up."""

    requeued: tuple[str, ...] = ()
    given_up: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Cells that nobody runs any more, each with the reason."""
