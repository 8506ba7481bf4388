"""Which type llama.cpp stores every tensor in, for each of its quantization presets.

The rules are those of `llama_model_quantize` in llama.cpp (src/llama-quant.cpp, as pinned by the
llamacpp backend): a preset has one default type; roles (embedding, output, attention, feed
forward) raise or lower it by layer, head sharing and number of experts; and a type whose block
does not divide the rows gives way to one whose block does. The tables are in `rules`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from grid.errors import InputError, Unsupported, did_you_mean
from grid.models.gguf import rules
from grid.models.gguf.ggml_types import TYPES_BY_NAME
from grid.models.gguf.inventory import Hyperparameters, UnquantizedTensor
from grid.models.gguf.type_changes import NO_CHANGES, TypeChanges

PRESETS: tuple[str, ...] = tuple(rules.DEFAULTS)
"""Every preset that llama.cpp can make, widest first."""

_BLOCK = re.compile(r"blk\.(\d+)\.")
_SHARED_HEADS = 4
_MANY_EXPERTS = 4
_MIXTURE_OF_8 = 8


class TypeChoice(NamedTuple):
    """The type that a preset means for a tensor, and the one it is stored in, which is another
    where the row is no multiple of the block."""

    meant: str
    stored: str

    @property
    def falls_back(self) -> bool:
        return self.meant != self.stored


def tensor_types(
    inventory: Iterable[UnquantizedTensor],
    hyperparameters: Hyperparameters,
    preset: str,
    *,
    importance_matrix: bool = False,
    changes: TypeChanges = NO_CHANGES,
) -> dict[str, str]:
    """llama.cpp's type of every tensor, by name, in the order in which it writes them.

    Types are named as llama.cpp prints them (`q4_K`, `iq4_nl`, `f32`). Where shapes are not
    known, names and hyperparameters imply them as far as they can; a row that stays unknown counts
    as a multiple of 256. Raises InputError for an unknown preset, Unsupported for one that
    cannot store these rows.
    """
    choices = type_choices(
        inventory, hyperparameters, preset, importance_matrix=importance_matrix, changes=changes
    )
    return {name: choice.stored for name, choice in choices.items()}


def type_choices(
    inventory: Iterable[UnquantizedTensor],
    hyperparameters: Hyperparameters,
    preset: str,
    *,
    importance_matrix: bool = False,
    changes: TypeChanges = NO_CHANGES,
) -> dict[str, TypeChoice]:
    """As `tensor_types`, with the types that the preset means beside those that are stored."""
    if preset not in rules.DEFAULTS:
        hint = did_you_mean(preset, rules.DEFAULTS)
        raise InputError(f"{preset!r} is no preset that llama.cpp makes. {hint}")
    tensors = sorted(inventory, key=_order)
    chooser = _TypeChooser(tensors, hyperparameters, preset, importance_matrix, changes)
    return {tensor.name: chooser.choose(tensor) for tensor in tensors}


def quantizable(tensor: UnquantizedTensor, architecture: str) -> bool:
    """Whether presets change the tensor's type at all: matrices, but no norms, routers and such."""
    never = rules.NEVER_IN.get(architecture)
    return (
        tensor.rank >= 2
        and tensor.name.endswith("weight")
        and not rules.NEVER.search(tensor.name)
        and not (never and never.search(tensor.name))
    )


def role_of(name: str) -> str:
    """What llama.cpp takes a tensor for, by its name."""
    if name == "output.weight":
        return "output"
    if name in rules.EMBEDDINGS:
        return "embedding"
    return next((role for part, role in rules.ROLES if part in name), "other")


def _order(tensor: UnquantizedTensor) -> tuple[int, bytes]:
    """Sorts block by block, then by name: types depend on how many tensors of a role precede."""
    match = _BLOCK.match(tensor.name)
    return (int(match[1]) if match else -1, tensor.name.encode())


class _TypeChooser:
    """Chooses types by the rules of one preset for one model; counts tensors role by role."""

    def __init__(
        self,
        tensors: Sequence[UnquantizedTensor],
        model: Hyperparameters,
        preset: str,
        matrix: bool,
        changes: TypeChanges,
    ) -> None:
        self.model, self.preset, self.matrix = model, preset, matrix
        self.changes = changes
        self.default = rules.DEFAULTS[preset]
        self.tied = all(tensor.name != "output.weight" for tensor in tensors)
        self.values = sum(role_of(tensor.name) in rules.VALUES for tensor in tensors)
        self.role_counts: Counter[str] = Counter()
        self.falcon = model.architecture == "falcon"
        self.eight_experts = model.n_expert == _MIXTURE_OF_8

    def choose(self, tensor: UnquantizedTensor) -> TypeChoice:
        """The type of the next tensor; call it once for each, in the order of the file."""
        if not quantizable(tensor, self.model.architecture):
            return TypeChoice(tensor.plain_type, tensor.plain_type)
        if self.default in rules.PLAIN:
            return TypeChoice(self.default, self.default)
        if fixed := self._fixed_type(tensor):
            return TypeChoice(fixed, self._exact_type(tensor, fixed))
        pattern = self.changes.matching(tensor.name)
        if pattern is not None:  # such a tensor is not counted, so that later ones get other types
            kind = self.changes.tensors[pattern][1]
            return TypeChoice(kind, self._fitting_type(tensor, kind))
        if self.changes.output and self._is_output(tensor):  # a tied embedding
            kind = self.changes.output
            return TypeChoice(kind, self._fitting_type(tensor, kind))
        kind = self._preset_type(tensor)
        by_preset = self._is_output(tensor) and self.preset != rules.BLOCKS_ONLY
        meant = self._whole_output_type() if by_preset else kind
        return TypeChoice(meant, self._fitting_type(tensor, kind))

    def _fixed_type(self, tensor: UnquantizedTensor) -> str:
        """The type that the recipe gives an embedding or the output, before any pattern but one
        for the embeddings of each layer."""
        role = role_of(tensor.name)
        if role == "output":
            return self.changes.output
        if role != "embedding" or (
            tensor.name in rules.EMBEDDINGS_OF_LAYERS
            and self.changes.matching(tensor.name) is not None
        ):
            return ""
        return self.changes.token_embedding

    def _exact_type(self, tensor: UnquantizedTensor, kind: str) -> str:
        """`kind` itself: llama.cpp has nothing that stands in for it here."""
        row = self.model.row(tensor)
        if _divides(kind, row):
            return kind
        block = TYPES_BY_NAME[kind].block
        raise Unsupported(
            f"{tensor.name} cannot be stored in {kind}: its rows of {row} are no multiple of "
            f"{block}"
        )

    def _preset_type(self, tensor: UnquantizedTensor) -> str:
        """The type by the preset's rules, whatever the row's length."""
        role = role_of(tensor.name)
        floor = rules.AT_LEAST_8_BITS_IN.get(self.model.architecture)
        if floor and floor.search(tensor.name):
            return "q8_0"
        if self.preset == rules.BLOCKS_ONLY:
            return "q8_0" if role in ("embedding", "output") else "nvfp4"
        if self._is_output(tensor):
            return self._output_type(tensor)
        if self.preset == rules.EXPERTS_ONLY:
            roles = rules.EXPERT_ROLES_IN.get(self.model.architecture)
            return "mxfp4" if tensor.rank > 2 and (roles is None or role in roles) else "q8_0"
        if role == "embedding":
            return rules.EMBEDDING.get(self.preset, self.default)
        if self.preset in rules.LOW_STEP_UP:
            return self._two_bit_type(tensor, role) or self.default
        return self._role_type(tensor, role) or self.default

    def _is_output(self, tensor: UnquantizedTensor) -> bool:
        role = role_of(tensor.name)
        return role == "output" or (self.tied and role == "embedding")

    def _output_type(self, tensor: UnquantizedTensor) -> str:
        whole = _divides(self.default, self.model.row(tensor))
        return self._whole_output_type() if whole else "q8_0"

    def _whole_output_type(self) -> str:
        """Where the block of the preset's default divides the row."""
        if self.preset == rules.EXPERTS_ONLY or self.falcon:
            return "q8_0"
        if self.preset in rules.OUTPUT_AT_5_BITS:
            return "q5_K"
        return "q8_0" if self.default == "q8_0" else "q6_K"

    def _two_bit_type(self, tensor: UnquantizedTensor, role: str) -> str | None:
        """The type by the rules of the presets around two bits; None: the preset's default."""
        step_up = rules.LOW_STEP_UP[self.preset]
        if role in rules.VALUES:
            shared = self.model.heads_per_kv >= _SHARED_HEADS
            return "q4_K" if shared or self.model.n_expert >= _MANY_EXPERTS else step_up
        if role == "key":
            return "q4_K" if self.eight_experts else None
        if role == "attention_output":
            return "q5_K" if self.eight_experts else rules.LOW_ATTENTION_OUTPUT.get(self.preset)
        if role == "down":
            early = rules.first_eighth(self._next("down"), self.model.n_layer)
            return step_up if early else None
        return None

    def _role_type(self, tensor: UnquantizedTensor, role: str) -> str | None:
        if role in rules.VALUES:
            return self._value_type()
        if role in ("key", "query"):
            if role == "key" and self.eight_experts:
                return "q8_0"
            return rules.KEY_QUERY.get(self.preset)
        if role == "attention_output":
            return self._attention_output_type()
        if role in ("up", "gate", "down"):
            ladders = self._down_ladders() if role == "down" else (rules.GATE_UP,)
            layer = self._layer(tensor, role)
            return _ladder_type(ladders, self.preset, layer, self.model.n_layer)
        return None

    def _value_type(self) -> str | None:
        index = self._next("value")
        shared = self.model.heads_per_kv >= _SHARED_HEADS
        if self.eight_experts:
            return "q8_0"
        kind = rules.VALUE_SHARED.get(self.preset) if shared else None
        if kind is None:
            ladders = (rules.VALUE,) if self.matrix else (rules.VALUE_NO_MATRIX, rules.VALUE)
            kind = _ladder_type(ladders, self.preset, index, self.values) or self.default
        return "q5_K" if kind in ("q3_K", "q4_K") and self._is_70b() else kind

    def _is_70b(self) -> bool:
        """Whether llama.cpp calls the model a 70B: by its depth alone, but for Llama, whose 65B
        of the same depth shares no heads."""
        model = self.model
        if rules.BLOCKS_OF_70B.get(model.architecture) != model.n_layer - model.n_layer_nextn:
            return False
        return model.architecture != "llama" or model.heads_per_kv != 1

    def _attention_output_type(self) -> str | None:
        if self.falcon:
            return rules.ATTENTION_OUTPUT_FALCON.get(self.preset)
        if self.eight_experts:
            raised = self.preset in rules.ATTENTION_OUTPUT_MIXTURE_OF_8
            return "q5_K" if raised else None
        return rules.ATTENTION_OUTPUT.get(self.preset)

    def _down_ladders(self) -> tuple[Mapping[str, rules.Ladder], ...]:
        ladders = [rules.DOWN_MATRIX if self.matrix else rules.DOWN_NO_MATRIX]
        if self.falcon:
            ladders.append(rules.DOWN_FALCON)
        if self.eight_experts:
            ladders.append(rules.DOWN_MIXTURE_OF_8)
        return (*ladders, rules.DOWN)

    def _layer(self, tensor: UnquantizedTensor, role: str) -> int:
        """The tensor's layer: by counting in a dense model, by its name in a mixture."""
        count = self._next(role)
        if self.model.n_expert <= 1:
            return count
        match = _BLOCK.match(tensor.name)
        if match is None or int(match[1]) >= self.model.n_layer:
            raise InputError(
                f"{tensor.name}: no block of a model with {self.model.n_layer}; "
                "llama.cpp refuses such a file, check the inventory"
            )
        return int(match[1])

    def _next(self, role: str) -> int:
        """Counts one more tensor of the role; returns how many preceded it."""
        self.role_counts[role] += 1
        return self.role_counts[role] - 1

    def _fitting_type(self, tensor: UnquantizedTensor, kind: str) -> str:
        """`kind`, or what stands in for it where its block does not divide the row."""
        row = self.model.row(tensor)
        if _divides(kind, row):
            return kind
        if TYPES_BY_NAME[kind].block > 32 and kind not in rules.FALLBACK:
            raise Unsupported(
                f"{self.preset} cannot store {tensor.name}: its rows of {row} are no "
                f"multiple of {TYPES_BY_NAME[kind].block}"
            )
        kind = rules.FALLBACK.get(kind, kind)
        return kind if _divides(kind, row) else "f16"


def _divides(kind: str, row: int | None) -> bool:
    return row is None or row % TYPES_BY_NAME[kind].block == 0


def _ladder_type(
    tables: Iterable[Mapping[str, rules.Ladder]], preset: str, index: int, count: int
) -> str | None:
    """The first step that holds, in the first table that has the preset."""
    for table in tables:
        if preset in table:
            return next((kind for place, kind in table[preset] if place(index, count)), None)
    return None
