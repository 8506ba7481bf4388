"""The command that measures a pick again, or for the first time."""

from __future__ import annotations

from grid.advice.advice import Candidate
from grid.analysis import Variant
from grid.analysis.dataset import Dataset, repeat_command

_ORDER = ("decode", "tasks", "memory", "latency", "quality")


def replay_of(dataset: Dataset, pick: Candidate | None) -> str:
    """The `grid sweep` of the pick's own rows; to be run on the machine itself, and without asking
    for it afresh, where it is predicted. Empty without a pick."""
    if pick is None:
        return ""
    named = telling_attempt(pick)
    if named is None:
        return "grid sweep"
    command = repeat_command(dataset.attempt_row(named), dataset.display_name)
    return command.removesuffix(" --fresh") if pick.predicted else command


def telling_attempt(pick: Candidate) -> str | None:
    """Id of the attempt whose row tells of a pick: of its speed if there is one, None where it has
    none at all."""
    return telling_attempt_of(pick.variant)


def telling_attempt_of(variant: Variant) -> str | None:
    """The same of a variant."""
    ids = variant.attempt_ids
    return next((ids[measure][0] for measure in _ORDER if ids.get(measure)), None)
