"""Sums of squared activations of every weight, taken while the model reads a text.

The figures are llama-imatrix's: for each matrix of a block the sum of x^2 of every input column
over all tokens, for stacked experts over the tokens that were routed to each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from grid.backend import EngineError
from grid_llamacpp.library import Library
from grid_llamacpp.matrix.importance import Importance, ImportanceMatrix
from grid_llamacpp.matrix.tensors import MUL_MAT, MUL_MAT_ID, NativeTensor, TensorReader

_FEWEST_ROWS = 16
"""Products of fewer tokens are passed over, as llama-imatrix does."""


class ActivationCollector:
    """Hears of each node of a computation; `callback` is what a context is given.

    An error inside ends the computation and is raised by `check`.
    """

    def __init__(self, library: Library) -> None:
        self._reader = TensorReader(library)
        self._sums: dict[str, npt.NDArray[np.float32]] = {}
        self._counts: dict[str, npt.NDArray[np.int64]] = {}
        self._error: Exception | None = None
        self.callback = library.api.ggml_backend_sched_eval_callback(self._hear)

    def check(self) -> None:
        """Raise EngineError where something went wrong in the callback."""
        if self._error is not None:
            raise EngineError(f"activations cannot be read: {self._error}") from self._error
        for name, sums in self._sums.items():
            if not np.isfinite(sums).all():
                raise EngineError(
                    f"the activations of {name} are no numbers (NaN or infinite): the 16-bit "
                    "weights do not compute"
                )

    def matrix(self) -> ImportanceMatrix:
        """What was collected. Raises EngineError where nothing was."""
        if not self._sums:
            raise EngineError("no weight of the model's blocks was used, so there is no matrix")
        return ImportanceMatrix(
            {
                name: Importance(sums, self._counts[name])
                for name, sums in sorted(self._sums.items())
            }
        )

    def _hear(self, address: int, asks: bool, _data: Any) -> bool:
        """Whether a node is of interest; then, computed, its inputs are added up."""
        try:
            node = NativeTensor.from_address(address)
            operation = self._reader.operation(address, node)
            if asks:
                return self._wants(operation, node)
            if operation == MUL_MAT_ID:
                self._add_experts(node)
            else:
                self._add_matrix(node)
        except Exception as error:  # none may leave through C code
            self._error = self._error or error
            return False
        return True

    def _wants(self, operation: str, node: NativeTensor) -> bool:
        if operation == MUL_MAT_ID:
            return True
        if operation != MUL_MAT:
            return False
        inputs = node.src[1].contents
        large = inputs.ne[1] >= _FEWEST_ROWS and self._reader.is_float(inputs)
        return bool(large and _weight_name(node).startswith("blk."))

    def _add_matrix(self, node: NativeTensor) -> None:
        weights, inputs = node.src[0].contents, node.src[1].contents
        values = self._reader.floats(inputs)  # [n3, n2, tokens, width]
        copies = weights.ne[2] * weights.ne[3]
        sums, counts = self._entry(_weight_name(node), copies, inputs.ne[0], 1)
        for third in range(values.shape[0]):
            for second in range(values.shape[1]):
                at = (third % weights.ne[3]) * weights.ne[2] + second % weights.ne[2]
                _add_squares(sums[at], values[third, second])
        counts += values.shape[0] * values.shape[1] * values.shape[2] // copies

    def _add_experts(self, node: NativeTensor) -> None:
        weights, inputs = node.src[0].contents, node.src[1].contents
        experts = int(weights.ne[2])
        chosen = self._reader.integers(node.src[2].contents)[0, 0]  # [tokens, used]
        values = self._reader.floats(inputs)[0]  # [tokens, used or 1, width]
        sums, counts = self._entry(_weight_name(node), experts, inputs.ne[0], experts)
        for place in range(chosen.shape[1]):
            rows = values[:, place % values.shape[1]]
            for expert in np.unique(chosen[:, place]):
                mine = rows[chosen[:, place] == expert]
                _add_squares(sums[expert], mine)
                counts[expert] += len(mine)

    def _entry(
        self, name: str, copies: int, width: int, counted: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        sums = self._sums.setdefault(name, np.zeros((copies, width), np.float32))
        counts = self._counts.setdefault(name, np.zeros(counted, np.int64))
        if sums.shape != (copies, width):
            raise ValueError(f"{name} is read with {width} columns and with {sums.shape[1]}")
        return sums, counts


def _add_squares(sums: npt.NDArray[np.float32], rows: npt.NDArray[np.float32]) -> None:
    """Add the squares of each column, row by row in 32 bits, as llama-imatrix does: presets round
    weights by comparisons so close that sums in another order choose otherwise."""
    np.add.reduce(np.concatenate((sums[None], rows * rows)), axis=0, out=sums)


def _weight_name(node: NativeTensor) -> str:
    """The weight's own name; a copy on a device is called `CUDA0#blk.0.attn_k.weight#0`."""
    name: str = node.src[0].contents.name.decode(errors="replace")
    parts = name.split("#")
    return parts[1] if len(parts) > 1 else name
