"""Results of the page that are kept beside the store, because they take seconds in a large one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from grid.analysis.dataset import Dataset

T = TypeVar("T")


@dataclass(frozen=True)
class StoredResult(Generic[T]):
    """A result of plain data under a name that must have all in it that the result depends on."""

    dataset: Dataset
    name: str
    kind: type[T]

    def get(self, derive: Callable[[], T]) -> T:
        """As it was derived before, else derived now. Of a store of which files could not be read
        nothing is kept: they may be readable the next time."""
        try:
            return msgspec.json.decode(self.dataset.derived(self.name) or b"", type=self.kind)
        except msgspec.DecodeError:
            result = derive()
        if not self.dataset.problems:
            self.dataset.keep_derived(self.name, msgspec.json.encode(result))
        return result
