"""What holds a process until it is closed, at the latest where a `with` is left."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self


class Closable(ABC):
    """Entering gives the object itself, leaving closes it."""

    @abstractmethod
    def close(self) -> None:
        """End what it holds; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()
