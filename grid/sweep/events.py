"""The events of a sweep, from a node's worker to the progress: plain data that crosses processes.

Each JSON line of a sweep is one of them; the field `event` has its type.
"""

from __future__ import annotations

import time
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from grid.backend import Calibration
from grid.cells.cell import Cell
from grid.cells.measurement import Measurement, Status
from grid.models.artifact import ArtifactFacts
from grid.plan.sweep import JudgeTable

BEGINS = "begins"
"""The first line of every preparation."""

WRITE = "write"
"""What is done with the weights of a made-up model."""


class _Timed(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag=str.lower):
    """Base of all events. `at` is when it happened, in seconds since the epoch; in the progress, by
    the driver's clock. Where an event has a `node`, that names where it happened; it is empty where
    there is one node only."""

    at: float = msgspec.field(default_factory=time.time)


class Notice(_Timed, frozen=True, kw_only=True, tag="note"):
    """Something that the user should know."""

    text: str


class Preparing(_Timed, frozen=True, kw_only=True):
    """Something that takes minutes is in progress: an environment is made, weights are fetched.
    `line` is the newest output of its tool."""

    what: str
    label: str
    line: str
    node: str = ""


class Working(_Timed, frozen=True, kw_only=True):
    """What a node is at: `starting the engine`, `scoring 3 of 8 chunks`. A cell that has started or
    a file that is made sends it a few times a second at most."""

    what: str
    node: str = ""


class Prepared(_Timed, frozen=True, kw_only=True):
    """Something that cells need was made: an environment, an artifact, a reference distribution."""

    what: str
    """`environment`, `fetch` (from a hub or a peer; the label says from whom), `write`, `quantize`
    or `reference`."""
    label: str
    wall_s: float
    node: str = ""
    engine_s: float | UnsetType = UNSET
    """Seconds of `wall_s` inside engine calls; not for the progress."""


class Observed(_Timed, frozen=True, kw_only=True):
    """The facts of an artifact that is now on the node; not for the progress."""

    artifact_id: str
    facts: ArtifactFacts


class CellStarted(_Timed, frozen=True, kw_only=True, tag="started", rename={"cell_id": "cell"}):
    """A cell's attempt begins."""

    cell_id: str
    label: str
    node: str = ""


class CellDone(
    _Timed,
    frozen=True,
    kw_only=True,
    tag="finished",
    rename={"cell_id": "cell", "will_retry": "again"},
):
    """A cell's attempt ended, with any status."""

    cell_id: str
    label: str
    status: Status
    reason: str = ""
    wall_s: float = 0.0
    modelled_s: float = 0.0
    """What the plan expected of it, as counted in `Planned.modelled_s`."""
    node: str = ""
    will_retry: bool = False
    """It will be tried once more elsewhere, so that the cell is not done."""
    measurement: Measurement | UnsetType = UNSET
    """The whole attempt, for the store; not for the progress."""


class Planned(_Timed, frozen=True, kw_only=True):
    """The size of the sweep; sent again when a node of another class adds cells."""

    cells: int
    """To run, those done since the start included."""
    skipped: int = 0
    measured: int = 0
    """With a result from before."""
    modelled_s: float = 0.0
    """Seconds of computing that the plan expects of `cells`, on one node."""
    optional: int = 0
    """Those of `cells` that are skipped where the sweep is decided without them."""


class Nodes(_Timed, frozen=True, kw_only=True):
    """The nodes that take part now, on a cluster; sent again when one joins or leaves."""

    names: tuple[str, ...]


class SweepEnded(_Timed, frozen=True, kw_only=True, tag="ended"):
    """Nothing more comes, whether all cells are done or not."""


Event = (
    Notice
    | Preparing
    | Working
    | Prepared
    | Observed
    | CellStarted
    | CellDone
    | Planned
    | Nodes
    | SweepEnded
)
_AnyEvent = TypeVar("_AnyEvent", bound=_Timed)


def cell_done(cell: Cell, measurement: Measurement) -> CellDone:
    """The end of an attempt at a cell."""
    return CellDone(
        cell_id=cell.id,
        label=cell.label,
        status=measurement.status,
        reason=measurement.reason,
        wall_s=measurement.wall_s,
        measurement=measurement,
    )


def for_progress(event: _AnyEvent, node: str, **changes: Any) -> _AnyEvent:
    """The event for the progress: by this machine's clock, with the node's name, and without what
    only the store takes."""
    changes |= {"at": time.time(), "node": node, "engine_s": UNSET, "measurement": UNSET}
    fields = event.__struct_fields__
    return replace(event, **{name: value for name, value in changes.items() if name in fields})


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits under which a worker runs cells."""

    cell_timeout_s: float
    extends_timeout: bool = False
    """Whether tasks and texts that are estimated to take long have more time."""
    prepare_timeout_s: float = 4 * 3600.0
    """For quantizing an artifact or a reference pass."""
    memory_limit: int | None = None
    """Bytes of private memory that an engine's process may take; None: what the system gives."""
    device: str = ""
    """Where engines compute; empty: each backend's own device on the node."""
    calibration: Calibration | None = None
    """What quantizers weigh their errors by; its `path` is a text's source, as in a sweep file."""
    run_code: bool = False
    """Whether programs that a model wrote may run, in a sandbox."""
    judge: JudgeTable | None = None
    """Who rates answers that have no right ones."""
