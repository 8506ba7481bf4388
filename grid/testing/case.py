"""What the rules are tried on: a backend with weights that it can load."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import msgspec

from grid.backend import Backend, Calibration, Recipe
from grid.cells.cell import Options
from grid.errors import InputError, did_you_mean
from grid.hardware.node import Node

NEAR = 0.05
"""Nats by which two evaluations of the same tokens in other batches, or engines, may differ."""

TEXT = "The cat sat on the mat.\nIt was 12 o'clock."

FEWEST = 8
"""Tokens that the rules need at least."""


class Expected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Log-probabilities from another engine that computes the same weights at 16 bits.

    `log_probs[i]` is of `ids[i + 1]` after `ids[: i + 1]`, natural logarithm. `near` is how far one
    of them may be off, nats. Where `text` is given, `ids` are its tokens, after a BOS if there is
    one; `source` says which engine gave it all.
    """

    ids: tuple[int, ...]
    log_probs: tuple[float, ...]
    text: str = ""
    source: str = "the reference"
    near: float = NEAR

    def __post_init__(self) -> None:
        if len(self.ids) < 2 or len(self.log_probs) != len(self.ids) - 1:
            raise InputError(
                f"{len(self.ids)} ids and {len(self.log_probs)} log_probs are expected; it takes "
                "two ids or more, and a log-probability for each but the first"
            )


@dataclass(frozen=True)
class Case:
    """A backend, weights that it can load, the node, and options as a user would give them."""

    backend: Backend
    path: Path
    node: Node
    options: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"
    tokens: int = 32
    """How many tokens a rule may compute over at a time; everything else follows from it."""
    loads: int = 4
    """How often the weights are loaded to see that their memory is given back."""
    expected: Expected | None = None
    """What another engine says of the weights at `path`, which have 16 bits then."""
    recipe: str = ""
    """A recipe to be made of `source`, or of `path` if that is None."""
    source: Path | None = None
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        if self.tokens < FEWEST:
            raise InputError(f"tokens: {self.tokens} are too few; the rules need {FEWEST}")
        if self.loads < 1:
            raise InputError(f"loads: {self.loads} are too few; it takes 1")

    @property
    def context(self) -> int:
        """Tokens of context that the engine is asked to hold."""
        return 8 * self.tokens

    def complete(self) -> Options:
        return self.backend.options(self.options, self.node)

    @contextmanager
    def fresh(self) -> Iterator[Any]:
        """An engine that was loaded just now."""
        with self.backend.load(self.path, self.device, self.complete()) as engine:
            engine.resize(self.context)
            yield engine

    @contextmanager
    def engine(self) -> Iterator[Any]:
        """A loaded engine that has forgotten what was asked of it before."""
        with self.fresh() as engine:
            yield engine

    def ids(self, engine: Any) -> list[int]:
        """Some tokens of a text, BOS before them where there is one."""
        start = [] if engine.bos is None else [engine.bos]
        return [*start, *engine.encode(TEXT)][: self.tokens]

    def of(self, path: Path) -> Case:
        """The same with other weights."""
        same = {part.name: getattr(self, part.name) for part in fields(Case)}
        return Case(**{**same, "path": path, "expected": None})

    def find_recipe(self) -> Recipe:
        """The recipe to be made. Raises InputError for one that the backend does not have."""
        recipes = self.backend.recipes()
        if self.recipe not in recipes:
            hint = did_you_mean(self.recipe, recipes)
            raise InputError(f"{self.backend.name} has no recipe {self.recipe!r}. {hint}".rstrip())
        return recipes[self.recipe]

    def obstacle(self) -> str:
        """Why no engine can be loaded here, as the backend says; empty where one can."""
        availability = self.backend.probe(self.node)
        if availability.ready:
            return ""
        return f"{self.backend.name} is not ready here: {availability.reason}; {availability.mend}"


def local_node() -> Node:
    """This machine, as far as a backend's declaration asks; its bandwidth is not measured."""
    import psutil

    return Node(
        name=platform.node(),
        system=f"{platform.system()} {platform.machine()}",
        chip=platform.processor() or platform.machine(),
        cores=psutil.cpu_count(logical=False) or os.cpu_count() or 1,
        memory_bytes=int(psutil.virtual_memory().total),
        bandwidth_bytes_s=0.0,
    )
