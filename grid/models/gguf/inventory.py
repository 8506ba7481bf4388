"""The inventory of a model to quantize: its tensors, and the numbers that preset rules read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from grid.errors import InputError
from grid.models.gguf.ggml_types import llama_cpp_name
from grid.models.gguf.layers import MetadataFields
from grid.models.gguf.reader import GgufHeader
from grid.models.model import MAX_LAYERS

_STACKED = re.compile(r"_exps\.|\.attn_[kv]_b\.")
"""Tensors of three dimensions: the experts of a mixture, the heads of a latent attention."""

_VECTOR = re.compile(
    r"norm\.weight$|rope_(freqs|factors_\w+)\.|attn_sinks\.|ffn_gate_inp_shexp\.|\.[eh]norm\."
)
"""Tensors of one dimension whose names end as those of matrices do."""

_ROWS = (
    ("n_embd", re.compile(r"^(token_embd|output)\.|attn_(q|k|v|qkv|q_a|kv_a_mqa|gate)\.")),
    ("n_embd", re.compile(r"ffn_(up|gate|gate_up)(_exps|_shexp)?\.|ssm_(in|ba|alpha|beta)\.")),
    ("n_ff", re.compile(r"ffn_down\.")),
    ("n_ff_expert", re.compile(r"ffn_down_exps\.")),
)
"""The hyperparameter that is the row's length, by the tensor's name."""


class UnquantizedTensor(NamedTuple):
    """One tensor of a model that is still at 16 or 32 bits.

    `shape` is in ggml's order, row length first; a length that is not known is None, and the
    whole shape is None where only the name is known. `plain_type` is its type where no preset
    quantizes it: converters leave vectors, norms and routers at 32 bits.
    """

    name: str
    shape: tuple[int | None, ...] | None = None
    plain_type: str = "f32"

    @property
    def row(self) -> int | None:
        """Elements in a row, None where they are not known."""
        return self.shape[0] if self.shape else None

    @property
    def rank(self) -> int:
        """Dimensions as ggml counts them, lengths of 1 at the end left out; by name if need be."""
        if self.shape is None:
            return 1 if _VECTOR.search(self.name) else 3 if _STACKED.search(self.name) else 2
        lengths = list(self.shape)
        while len(lengths) > 1 and lengths[-1] == 1:
            lengths.pop()
        return len(lengths)

    @property
    def elements(self) -> int:
        """Weights in it. Raises InputError where a length is not known."""
        product = 1
        for length in self.shape or (None,):
            if length is None:
                raise InputError(
                    f"{self.name}: the shape is not known, so it has no size; give every length"
                )
            product *= length
        return product


@dataclass(frozen=True)
class Hyperparameters:
    """The numbers of a model that decide types, named as llama.cpp names them.

    `n_layer` counts every block, those that predict further tokens (MTP) included. Head counts
    are one number, or one per block. `n_expert` is 0 for a dense model; `n_expert_used` None where
    unknown. The lengths are needed only where an inventory lacks shapes; None where unknown.
    """

    architecture: str
    n_layer: int
    n_head: int | tuple[int, ...]
    n_head_kv: int | tuple[int, ...]
    n_expert: int = 0
    n_expert_used: int | None = None
    n_expert_shared: int = 0
    n_embd: int | None = None
    n_ff: int | None = None
    n_ff_expert: int | None = None
    n_vocab: int | None = None
    n_layer_nextn: int = 0

    def row(self, tensor: UnquantizedTensor) -> int | None:
        """Elements in a row of the tensor: as its shape says, else as its name implies."""
        if tensor.row is not None:
            return tensor.row
        field = next((field for field, names in _ROWS if names.search(tensor.name)), None)
        length: int | None = getattr(self, field) if field else None
        return length

    @property
    def heads_per_kv(self) -> int:
        """Query heads that share a key and value head in the first block; 0 where it has none."""
        heads, shared = _first_count(self.n_head), _first_count(self.n_head_kv)
        return heads // shared if shared else 0


def _first_count(counts: int | tuple[int, ...]) -> int:
    if isinstance(counts, int):
        return counts
    return counts[0] if counts else 0


def from_headers(
    headers: Sequence[GgufHeader],
) -> tuple[tuple[UnquantizedTensor, ...], Hyperparameters]:
    """Inventory and hyperparameters of a GGUF, given the headers of all of its parts.

    Exact for every architecture. Raises InputError where the header lacks what rules look at.
    """
    fields = MetadataFields(headers[0])
    tensors = tuple(
        UnquantizedTensor(tensor.name, tensor.dims, llama_cpp_name(tensor.type))
        for header in headers
        for tensor in header.tensors
    )
    return tensors, _hyperparameters(fields)


def _hyperparameters(fields: MetadataFields) -> Hyperparameters:
    architecture = fields.text("general.architecture")
    layers = fields.integer("block_count")
    if not architecture or not layers or layers > MAX_LAYERS:
        raise fields.error("the header lacks the architecture or the number of blocks")
    heads = fields.per_layer("attention.head_count", layers) or [0] * layers
    shared = fields.per_layer("attention.head_count_kv", layers) or heads
    inner = fields.per_layer("feed_forward_length", layers) or [0]
    return Hyperparameters(
        architecture=architecture,
        n_layer=layers,
        n_head=tuple(heads),
        n_head_kv=tuple(shared),
        n_expert=fields.integer("expert_count") or 0,
        n_expert_used=fields.integer("expert_used_count"),
        n_expert_shared=fields.integer("expert_shared_count") or 0,
        n_embd=fields.integer("embedding_length"),
        n_ff=max(inner) or None,
        n_vocab=fields.integer("vocab_size"),
        n_layer_nextn=fields.integer("nextn_predict_layers") or 0,
    )
