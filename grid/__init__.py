"""quantgrid: measure models at every quantization on your hardware, and say what to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from grid.advice import Advice
    from grid.advice.public_figures import PublicAnswer
    from grid.analysis.diff import Difference
    from grid.results.reader import Results

__version__ = "0.1.0"

# Older plugins import `grid.artifact`, `grid.model` and the like. Python looks for these names in
# that folder after everything that is here.
__path__.append(f"{__path__[0]}/backend/former_modules")


def open(uri: str | Path = "results") -> Results:
    """The results in a store: `grid.open("results/").frame()` is one row per measured cell.

    Takes a folder or any pyarrow filesystem URI. See `grid.results.reader.Results`.
    """
    from grid.results import open_store

    return open_store(uri)


def recommend(uri: str | Path = "results", **ask: Any) -> Advice | PublicAnswer:
    """What to run: `grid.recommend("results", chip="RTX 4090", use="code")`.

    The keyword arguments are the fields of `grid.advice.Ask`; without a machine it is this one. A
    store without rows is answered from public figures, as the command does. Raises InputError if
    the store or the question allows no answer.
    """
    from grid.advice import Ask, answer_ask
    from grid.analysis.dataset import Dataset
    from grid.hardware.probe import probe_node

    return answer_ask(Dataset(uri), Ask(**ask), probe_node)


def diff(
    first: str = "", second: str = "", *, uri: str | Path = "results", by: Sequence[str] = ()
) -> Difference:
    """What changed from one side to another: `grid.diff("sweep:before", "sweep:after")`.

    Sides are as `grid diff` takes them: two stores, or rows of the store `uri`; changes are shares,
    B against A. Raises InputError for sides of nothing.
    """
    from grid.analysis.diff import compare_sides, open_sides

    return compare_sides(*open_sides(first, second, store=uri, by=by), by=by)
