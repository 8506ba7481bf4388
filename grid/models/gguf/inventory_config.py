"""The inventory of a GGUF before it is made, from the config.json of a Hugging Face model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grid.errors import InputError
from grid.models.gguf.blocks import (
    Attention,
    Block,
    DeltaNet,
    LatentAttention,
    Mamba,
    add_attention,
    add_delta_net,
    add_latent_attention,
    add_mamba,
    add_prediction_head,
    add_short_convolution,
)
from grid.models.gguf.config_feed import (
    add_feed_forward,
    dense_width,
    expert_count,
    expert_width,
    shared_experts,
    used_experts,
)
from grid.models.gguf.config_fields import ConfigFields, family_of
from grid.models.gguf.inventory import Hyperparameters, UnquantizedTensor
from grid.models.model import MAX_LAYERS

_KV_HEADS = ("num_key_value_heads", "num_attention_groups")
_KINDS = {
    **dict.fromkeys(("M", "mamba", "linear_attention"), "mixer"),
    **dict.fromkeys(("*", "attention", "full_attention"), "attention"),
    **dict.fromkeys(("-", "E", "mlp", "moe"), "ff"),
}
"""Letter or word for a block of one part -> what it is."""


def from_config(
    config: Mapping[str, Any], *, output: bool | None = None, prediction: bool = False
) -> tuple[tuple[UnquantizedTensor, ...], Hyperparameters]:
    """Inventory and hyperparameters of the text model that a config.json describes.

    `output`: whether the checkpoint stores an output matrix; None goes by `tie_word_embeddings`,
    which some checkpoints contradict. `prediction`: whether the file keeps the blocks that
    predict further tokens (MTP); most published ones leave them out. Raises InputError, one line,
    for a `model_type` that is not known or a field that is missing or absurd.
    """
    model = _ConfigModel(config)
    blocks = [model.block(index) for index in range(model.layers)]
    extra = model.prediction_blocks() if prediction else []
    tied = model.tied if output is None else not output
    tensors = [*model.ends(tied), *(t for b in (*blocks, *extra) for t in b.tensors)]
    return tuple(tensors), model.hyperparameters(len(extra))


class _ConfigModel:
    """The text model of one config.json, and its blocks."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        inner = config.get("text_config") or config.get("llm_config") or {}
        values = {**config, **inner} if isinstance(inner, Mapping) else dict(config)
        self.family = family_of(values)
        self.fields = fields = ConfigFields(values, self.family.defaults)
        self.pattern = self._pattern()
        self.layers = len(self.pattern) or fields.integer("num_hidden_layers")
        if not 0 < self.layers <= MAX_LAYERS:
            raise InputError(f"config.json: {self.layers} layers cannot be; check the file")
        self.width = fields.length("hidden_size")
        self.vocabulary = fields.length("vocab_size")
        self.experts = expert_count(fields)
        tied = fields.flag("tie_word_embeddings")
        self.tied = tied if self.family.tied is None else self.family.tied

    def _pattern(self) -> Sequence[str]:
        """The kind of every block, where blocks are of one part each; else empty."""
        if not self.family.one_part:
            return ()
        pattern = self.fields.sequence("hybrid_override_pattern", "layers_block_type")
        if not pattern:
            raise InputError("config.json lacks hybrid_override_pattern; check the file")
        strange = [kind for kind in pattern if str(kind) not in _KINDS]
        if strange:
            raise InputError(f"config.json: {strange[0]!r} is no kind of block; check the file")
        return [_KINDS[str(kind)] for kind in pattern]

    @property
    def architecture(self) -> str:
        family = self.family
        if family.one_part and self.fields.get("num_experts_per_tok") is not None:
            return f"{family.architecture}_moe"
        mixed = any(self._kind(index) == "mixer" for index in range(self.layers))
        if family.plain_architecture and not mixed:
            return family.plain_architecture + ("moe" if self.experts else "")
        return family.architecture

    def ends(self, tied: bool) -> list[UnquantizedTensor]:
        """The tensors outside the blocks."""
        width, rows = self.width, self.vocabulary
        tensors = [
            UnquantizedTensor("token_embd.weight", (width, rows)),
            UnquantizedTensor(f"{self.family.final_norm}.weight", (width,)),
        ]
        if self.family.norm_bias:
            tensors.append(UnquantizedTensor(f"{self.family.final_norm}.bias", (width,)))
        if not tied:
            tensors.append(UnquantizedTensor("output.weight", (width, rows)))
        if self.family.head_bias:
            tensors.append(UnquantizedTensor("output.bias", (rows,)))
        return [*tensors, *self._rope()]

    def _rope(self) -> list[UnquantizedTensor]:
        """Factors of the rotary embedding that are stored as tensors."""
        scaling = self.fields.get("rope_scaling", "rope_parameters")
        if not isinstance(scaling, Mapping) or self.family.latent:
            return []
        kind = scaling.get("rope_type") or scaling.get("type")
        names = {
            "llama3": ("rope_freqs",),
            "longrope": ("rope_factors_long", "rope_factors_short"),
        }.get(str(kind), ())
        half = int(self._head() * self.fields.factor("partial_rotary_factor")) // 2
        return [UnquantizedTensor(f"{name}.weight", (half,)) for name in names]

    def block(self, index: int) -> Block:
        block = Block(index)
        for name in self.family.norms:
            block.norm(name, self.width, bias=self.family.norm_bias)
        kind = self._kind(index)
        if kind == "mixer":
            self._mixer(block)
        elif kind == "attention":
            self._attention(block)
        if kind == "ff" or not self.family.one_part:
            self._feed_forward(block)
        return block

    def prediction_blocks(self) -> list[Block]:
        """The blocks after the last that predict further tokens."""
        names = ("num_nextn_predict_layers", "mtp_num_hidden_layers")
        count = self.fields.integer(*names, default=0)
        if count > MAX_LAYERS or (count and self.family.prediction is None):
            raise InputError(
                f"config.json: the further-token blocks of {self.architecture} are not known "
                "here; predict from the GGUF's header instead"
            )
        return [self._prediction_block(self.layers + index) for index in range(count)]

    def _prediction_block(self, index: int) -> Block:
        block = self.block(index)
        add_prediction_head(block, self.width)
        for name in self.family.prediction or ():
            block.matrix(name, self.width, self.vocabulary)
        return block

    def _kind(self, index: int) -> str:
        """Kind of a block: `mixer`, `attention` or, where blocks are of one part, `ff`."""
        if self.family.one_part:
            return self.pattern[index]
        if not self.family.mixer or index >= self.layers:
            return "attention"
        types = self.fields.sequence("layer_types")
        if types:
            is_mixer = index < len(types) and types[index] not in ("full_attention", "attention")
            return "mixer" if is_mixer else "attention"
        every = self.fields.length("full_attention_interval", default=4)
        return "mixer" if (index + 1) % every else "attention"

    def _sliding(self, index: int) -> ConfigFields:
        """Head counts of their own that sliding-window blocks have in some families."""
        types = self.fields.sequence("layer_types")
        settings = self.fields.get("attention_other_setting")
        sliding = index < len(types) and types[index] == "sliding_attention"
        return ConfigFields(settings if sliding and isinstance(settings, Mapping) else {}, {})

    def _heads(self, index: int) -> int:
        common = self.fields.length("num_attention_heads")
        return self._sliding(index).length("num_attention_heads", default=common)

    def _kv_heads(self, index: int) -> int:
        """Key and value heads that the file states for a block; latent attention has one."""
        if self.family.latent:
            return 1
        if self.family.mixer in ("mamba", "convolution") and self._kind(index) != "attention":
            return 0
        common = self.fields.length(*_KV_HEADS, default=self._heads(index))
        return self._sliding(index).length(*_KV_HEADS, default=common)

    def _head(self) -> int:
        """Width of one head."""
        heads = self.fields.length("num_attention_heads")
        return self.fields.length("head_dim", "attention_head_dim", default=self.width // heads)

    def _attention(self, block: Block) -> None:
        length, family = self.fields.length, self.family
        heads = self._heads(block.index)
        if family.latent:
            latent = LatentAttention(
                width=self.width,
                heads=heads,
                q_rank=self.fields.integer("q_lora_rank", default=0),
                kv_rank=length("kv_lora_rank"),
                nope=length("qk_nope_head_dim"),
                rope=length("qk_rope_head_dim"),
                value=length("v_head_dim"),
            )
            return add_latent_attention(block, latent)
        grouped = Attention(
            width=self.width,
            heads=heads,
            kv_heads=self._kv_heads(block.index),
            head=self._head(),
            bias=self.fields.flag(family.qkv_bias),
            output_bias=self.fields.flag(family.output_bias),
            norms=self.fields.kind(family.qk_norm),
            fused=family.fused_qkv,
            gate=self.fields.kind(family.gate),
            sinks=family.sinks,
        )
        return add_attention(block, grouped)

    def _mixer(self, block: Block) -> None:
        length = self.fields.length
        if self.family.mixer == "convolution":
            return add_short_convolution(block, self.width, length("conv_L_cache"))
        if self.family.mixer == "mamba":
            state = Mamba(
                width=self.width,
                heads=length("mamba_num_heads", "mamba_n_heads"),
                head=length("mamba_head_dim", "mamba_d_head"),
                groups=length("n_groups", "mamba_n_groups"),
                state=length("ssm_state_size", "mamba_d_state"),
                kernel=length("conv_kernel", "mamba_d_conv"),
                conv_bias=bool(self.fields.get("use_conv_bias", "mamba_conv_bias")),
            )
            return add_mamba(block, state)
        net = DeltaNet(
            width=self.width,
            key_heads=length("linear_num_key_heads"),
            value_heads=length("linear_num_value_heads"),
            key=length("linear_key_head_dim"),
            value=length("linear_value_head_dim"),
            kernel=length("linear_conv_kernel_dim"),
            joint=self.family.joint_beta,
        )
        return add_delta_net(block, net)

    def _feed_forward(self, block: Block) -> None:
        last = block.index >= self.layers
        add_feed_forward(block, self.width, self.fields, self.family, last=last)

    def hyperparameters(self, extra: int) -> Hyperparameters:
        indices = range(self.layers + extra)
        return Hyperparameters(
            architecture=self.architecture,
            n_layer=self.layers + extra,
            n_head=tuple(self._heads(min(i, self.layers - 1)) for i in indices),
            n_head_kv=tuple(self._kv_heads(min(i, self.layers - 1)) for i in indices),
            n_expert=self.experts,
            n_expert_used=used_experts(self.fields) if self.experts else None,
            n_expert_shared=shared_experts(self.fields) if self.experts else 0,
            n_embd=self.width,
            n_ff=dense_width(self.fields),
            n_ff_expert=expert_width(self.fields) if self.experts else None,
            n_vocab=self.vocabulary,
            n_layer_nextn=extra,
        )
