"""Whether a larger load would bring anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from grid.cells.load import ServerLoad

LEAST_GAIN = 0.05
"""More clients that bring less than this share of throughput more: the server is saturated."""


class LoadOutcome(NamedTuple):
    """A load that was measured, with its scalars."""

    workload: ServerLoad
    scalars: Mapping[str, float]

    @property
    def throughput(self) -> float:
        """Answers a second."""
        return self.scalars["completed_in_window"] / self.scalars["window_s"]


def saturation(earlier: Sequence[LoadOutcome], larger: ServerLoad) -> str:
    """Why `larger` would bring nothing after the loads of its kind that were measured, in that
    order; empty where it may."""
    alike = [outcome for outcome in earlier if _kind(outcome.workload) == _kind(larger)]
    if larger.search or not alike:
        return ""
    last = alike[-1]
    if larger.arrivals != "closed":
        if last.scalars.get("saturated") and last.workload.rate < larger.rate:
            return f"at {last.workload.rate:g} requests/s the backlog grew as long as they came"
        return ""
    if len(alike) < 2 or last.workload.concurrency >= larger.concurrency:
        return ""
    gain = last.throughput / alike[-2].throughput - 1 if alike[-2].throughput else 0.0
    if gain < LEAST_GAIN:
        return f"{last.workload.concurrency} clients brought {100 * gain:+.0f} % throughput"
    return ""


def _kind(load: ServerLoad) -> ServerLoad:
    """What loads have in common that differ in their size alone."""
    return replace(load, concurrency=0, rate=0.0)
