"""Which rows of a store people are offered: those of engines, not of backends that serve tests."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from grid.analysis.dataset import Dataset
from grid.backend.registry import is_for_tests


def offered_rows(dataset: Dataset, models: Iterable[str] = ()) -> Dataset:
    """The store as if it held no rows of backends that declare `for_tests`.

    Their rows stay where they are asked for: in a store that has no others, and of `models` that
    nothing else measured. Backends that are not installed here declare nothing, and stay.
    """
    attempts = dataset.overview.attempts
    backends = _names(attempts, "backend")
    of_tests = [name for name in backends if is_for_tests(name)]
    if not of_tests or len(of_tests) == len(backends):
        return dataset
    by_engines = ~pc.field("backend").isin(of_tests)
    measured = _names(attempts.filter(by_engines), "model")
    named = [name for name in models if name not in measured]
    return dataset.filter(by_engines | pc.field("model").isin(named) if named else by_engines)


def note_on_test_backends(dataset: Dataset) -> str:
    """What to know where rows of such a backend are shown; empty where none are."""
    names = [name for name in _names(dataset.overview.attempts, "backend") if is_for_tests(name)]
    if not names:
        return ""
    return f"{' and '.join(names)} is a backend for tests: its figures say nothing of an engine"


def _names(attempts: pa.Table, column: str) -> list[str]:
    return [name for name in pc.unique(attempts[column]).to_pylist() if name]
