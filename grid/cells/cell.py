"""Cell: artifact x backend x workload x where, with an id of exactly what changes the number."""

from __future__ import annotations

from functools import cached_property

import msgspec

from grid.cells.workload import SPEED_KINDS, Workload, identity_fields
from grid.models.artifact import Artifact
from grid.models.identity import digest

Options = dict[str, str | int | float | bool]
"""Engine options, complete (defaults filled in), as the backend resolved them."""


class Cell(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One number-producing unit of a plan.

    `scope` is the device kind for quality cells and the hardware class for speed cells.
    `speed_only` names the options that change how fast an engine computes but not what: they are
    no part of a quality cell's id, so that quality measured anywhere counts everywhere. Nor is the
    engine's version, which is a field of each attempt.
    """

    artifact: Artifact
    backend: str
    options: Options
    workload: Workload
    scope: str
    speed_only: frozenset[str] = frozenset()
    device_kind: str = ""
    """What computes it, also where `scope` is a hardware class; empty: as the node says."""

    @cached_property
    def id(self) -> str:
        options = self.options
        if not self.exclusive:
            options = {k: v for k, v in options.items() if k not in self.speed_only}
        return digest(
            "cell",
            self.artifact.id,
            self.backend,
            options,
            identity_fields(self.workload),
            self.scope,
        )

    @cached_property
    def engine(self) -> str:
        """Id of the loaded engine that computes the cell, the same on every node: artifact, backend
        and options, less those that change its speed only."""
        options = {k: v for k, v in self.options.items() if k not in self.speed_only}
        return digest("engine", self.artifact.id, self.backend, options)

    @property
    def exclusive(self) -> bool:
        """True where the cell must have the node for itself."""
        return isinstance(self.workload, SPEED_KINDS)

    @property
    def label(self) -> str:
        return f"{self.artifact.label} {self.workload.label}"
