"""The steps that a sweep's progress is made of: plain data, in JSON told apart by `event`."""

from __future__ import annotations

import time

import msgspec


class Step(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag=str.lower):
    """Base of all steps. `at` is when it happened, in seconds since the epoch, by the driver's
    clock; `node` names the node that it happened on, empty where there is one only."""

    at: float = msgspec.field(default_factory=time.time)


class Planned(Step, frozen=True, kw_only=True):
    """What the sweep comes to. Told again when it grows: a node of another class joined."""

    cells: int
    """To run, those done since the start included."""
    skipped: int = 0
    measured: int = 0
    """With a result from before."""
    modelled_s: float = 0.0
    """Seconds of computing that the plan expects of `cells`, on one node."""


class Nodes(Step, frozen=True, kw_only=True):
    """The nodes that take part now; told where it is a cluster, and when one joins or leaves."""

    names: tuple[str, ...]


class Preparing(Step, frozen=True, kw_only=True):
    """Something that takes minutes goes on; `line` is the newest of what its tool says."""

    what: str
    label: str
    line: str
    node: str = ""


class Prepared(Step, frozen=True, kw_only=True):
    """Something that cells need was made: `what` is `environment`, `fetch`, `quantize`,
    `reference`."""

    what: str
    label: str
    wall_s: float
    node: str = ""


class Started(Step, frozen=True, kw_only=True):
    """A cell's attempt begins."""

    cell: str
    label: str
    node: str = ""


class Finished(Step, frozen=True, kw_only=True):
    """A cell's attempt ended."""

    cell: str
    label: str
    status: str
    reason: str = ""
    wall_s: float = 0.0
    modelled_s: float = 0.0
    """What the plan expected of it, as counted in `Planned.modelled_s`."""
    node: str = ""
    again: bool = False
    """It will be tried once more elsewhere, so that the cell is not done."""


class Note(Step, frozen=True, kw_only=True):
    """A line for the user."""

    text: str


class Ended(Step, frozen=True, kw_only=True):
    """Nothing more comes, whether all cells are done or not."""


AnyStep = Planned | Nodes | Preparing | Prepared | Started | Finished | Note | Ended
