"""Types of tensors that a recipe of one's own changes."""

from __future__ import annotations

import re
from typing import NamedTuple


class TypeChanges(NamedTuple):
    """Types that a recipe of one's own gives tensors, in place of the preset's.

    `tensors`: pairs of a regular expression and a type; the first that is in a name counts.
    `token_embedding` and `output` are llama-quantize's options of these names, empty without one.
    """

    tensors: tuple[tuple[str, str], ...] = ()
    token_embedding: str = ""
    output: str = ""

    def __bool__(self) -> bool:
        return bool(self.tensors or self.token_embedding or self.output)

    def matching(self, name: str) -> int | None:
        """Index of the pattern that decides a tensor's type; None where none is in its name."""
        patterns = enumerate(pattern for pattern, _ in self.tensors)
        return next((index for index, pattern in patterns if re.search(pattern, name)), None)


NO_CHANGES = TypeChanges()
"""The preset's own types."""
