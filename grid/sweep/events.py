"""What an executor tells the driver while it runs; plain data, so that it crosses processes."""

from __future__ import annotations

import msgspec

from grid.backend import Calibration
from grid.cells.measurement import Measurement
from grid.models.artifact import ArtifactFacts

BEGINS = "begins"
"""The first line of every preparation."""


class Preparing(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """Something that takes minutes goes on: an environment is made, weights are fetched. `line` is
    the newest of what its tool says."""

    what: str
    label: str
    line: str


class Prepared(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """Something that cells need was made: an environment, an artifact, a reference distribution."""

    what: str
    """`environment`, `fetch` (from a hub or a peer; the label says from whom), `quantize` or
    `reference`."""
    label: str
    wall_s: float
    engine_s: float


class Observed(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """The facts of an artifact that is now on the node."""

    artifact_id: str
    facts: ArtifactFacts


class CellStarted(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """A cell's attempt begins."""

    cell_id: str


class CellDone(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """A cell's attempt ended, in whatever status."""

    measurement: Measurement


class Note(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """Something that the user should know."""

    text: str


Event = Note | Preparing | Prepared | Observed | CellStarted | CellDone


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits under which a worker runs cells."""

    cell_timeout_s: float
    prepare_timeout_s: float = 4 * 3600.0
    """For quantizing an artifact or a reference pass."""
    memory_limit: int | None = None
    """Bytes of private memory that an engine's process may take; None: what the system gives."""
    device: str = ""
    """Where engines compute; empty: each backend's own device on the node."""
    calibration: Calibration | None = None
    """What quantizers weigh their errors by; its `path` is a text's source, as in a sweep file."""
