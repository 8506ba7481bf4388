"""What an importance matrix holds, and the weights that a quantizer takes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Importance(NamedTuple):
    """Of one weight: `sums` of squared inputs, [matrices, width], and `counts` of the tokens behind
    them, [matrices] or [1] where all are counted as one."""

    sums: npt.NDArray[np.float32]
    counts: npt.NDArray[np.int64]

    @property
    def unused(self) -> int:
        """Matrices that no token reached: experts that the text did not call."""
        return int(np.count_nonzero(self.counts == 0)) if self.counts.any() else len(self.sums)

    @property
    def weights(self) -> npt.NDArray[np.float32]:
        """Mean square of every input, flat; 1 throughout for a matrix that no token reached, as
        llama-quantize does."""
        counts = self.counts[:, None].astype(np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):
            means = self.sums / counts
        return np.where(counts > 0, means, np.float32(1)).astype(np.float32).ravel()


class ImportanceMatrix(NamedTuple):
    """By the weights' names."""

    entries: Mapping[str, Importance]
