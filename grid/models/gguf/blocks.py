"""The tensors of one transformer block as GGUF names and shapes them, part by part."""

from __future__ import annotations

from dataclasses import dataclass, field

from grid.models.gguf.inventory import UnquantizedTensor


@dataclass
class Block:
    """Tensors of block `index`, collected; lengths are elements, the row's first."""

    index: int
    tensors: list[UnquantizedTensor] = field(default_factory=list)

    def add(self, name: str, *shape: int) -> None:
        self.tensors.append(UnquantizedTensor(f"blk.{self.index}.{name}", shape))

    def matrix(self, name: str, row: int, rows: int, *, bias: bool = False) -> None:
        """A weight of `rows` rows, and the bias that goes with it where there is one."""
        self.add(f"{name}.weight", row, rows)
        if bias:
            self.add(f"{name}.bias", rows)

    def norm(self, name: str, width: int, *, bias: bool = False) -> None:
        self.add(f"{name}.weight", width)
        if bias:
            self.add(f"{name}.bias", width)


@dataclass(frozen=True)
class Attention:
    """Heads of one block, and what surrounds them; `head` is the width of one, in elements."""

    width: int
    heads: int
    kv_heads: int
    head: int
    bias: bool = False
    output_bias: bool = False
    norms: str = ""
    """`head`: of one head's width, shared; `heads`: one for each head; `full`: of all heads."""
    fused: bool = False
    """Query, key and value in one matrix."""
    gate: str = ""
    """`query`: as wide as the query and in its matrix; `head`: a matrix with one row a head."""
    sinks: bool = False


def add_attention(block: Block, sizes: Attention) -> None:
    """Grouped-query attention."""
    query, key = sizes.heads * sizes.head, sizes.kv_heads * sizes.head
    if sizes.fused:
        block.matrix("attn_qkv", sizes.width, query + 2 * key, bias=sizes.bias)
    else:
        block.matrix(
            "attn_q", sizes.width, query * (2 if sizes.gate == "query" else 1), bias=sizes.bias
        )
        block.matrix("attn_k", sizes.width, key, bias=sizes.bias)
        block.matrix("attn_v", sizes.width, key, bias=sizes.bias)
    block.matrix("attn_output", query, sizes.width, bias=sizes.output_bias)
    if sizes.gate == "head":
        block.matrix("attn_gate", sizes.width, sizes.heads)
    if sizes.sinks:
        block.add("attn_sinks.weight", sizes.heads)
    for name, heads in (("attn_q_norm", sizes.heads), ("attn_k_norm", sizes.kv_heads)):
        if sizes.norms == "head":
            block.norm(name, sizes.head)
        elif sizes.norms == "heads":
            block.add(f"{name}.weight", sizes.head, heads)
        elif sizes.norms == "full":
            block.norm(name, heads * sizes.head)


@dataclass(frozen=True)
class LatentAttention:
    """Multi-head latent attention (MLA); widths in elements."""

    width: int
    heads: int
    q_rank: int
    """0 where the query is not compressed."""
    kv_rank: int
    nope: int
    rope: int
    value: int


def add_latent_attention(block: Block, sizes: LatentAttention) -> None:
    """Latent attention with the second projections of key and value split by head, as converters
    write them."""
    query = sizes.heads * (sizes.nope + sizes.rope)
    if sizes.q_rank:
        block.matrix("attn_q_a", sizes.width, sizes.q_rank)
        block.norm("attn_q_a_norm", sizes.q_rank)
        block.matrix("attn_q_b", sizes.q_rank, query)
    else:
        block.matrix("attn_q", sizes.width, query)
    block.matrix("attn_kv_a_mqa", sizes.width, sizes.kv_rank + sizes.rope)
    block.norm("attn_kv_a_norm", sizes.kv_rank)
    block.add("attn_k_b.weight", sizes.nope, sizes.kv_rank, sizes.heads)
    block.add("attn_v_b.weight", sizes.kv_rank, sizes.value, sizes.heads)
    block.matrix("attn_output", sizes.heads * sizes.value, sizes.width)


@dataclass(frozen=True)
class DeltaNet:
    """Gated delta net (linear attention)."""

    width: int
    key_heads: int
    value_heads: int
    key: int
    value: int
    kernel: int
    joint: bool
    """Whether beta and alpha are one matrix."""


def add_delta_net(block: Block, sizes: DeltaNet) -> None:
    keys, values = sizes.key_heads * sizes.key, sizes.value_heads * sizes.value
    block.matrix("attn_qkv", sizes.width, 2 * keys + values)
    block.matrix("attn_gate", sizes.width, values)
    block.matrix("ssm_conv1d", sizes.kernel, 2 * keys + values)
    block.add("ssm_dt.bias", sizes.value_heads)
    block.add("ssm_a", sizes.value_heads)
    if sizes.joint:
        block.matrix("ssm_ba", sizes.width, 2 * sizes.value_heads)
    else:
        block.matrix("ssm_beta", sizes.width, sizes.value_heads)
        block.matrix("ssm_alpha", sizes.width, sizes.value_heads)
    block.norm("ssm_norm", sizes.value)
    block.matrix("ssm_out", values, sizes.width)


@dataclass(frozen=True)
class Mamba:
    """Mamba 2 state space."""

    width: int
    heads: int
    head: int
    groups: int
    state: int
    kernel: int
    conv_bias: bool


def add_mamba(block: Block, sizes: Mamba) -> None:
    inner, states = sizes.heads * sizes.head, 2 * sizes.groups * sizes.state
    block.matrix("ssm_in", sizes.width, 2 * inner + states + sizes.heads)
    block.matrix("ssm_conv1d", sizes.kernel, inner + states, bias=sizes.conv_bias)
    block.add("ssm_dt.bias", sizes.heads)
    block.add("ssm_a", 1, sizes.heads)
    block.add("ssm_d", 1, sizes.heads)
    block.add("ssm_norm.weight", inner // sizes.groups, sizes.groups)
    block.matrix("ssm_out", inner, sizes.width)


def add_short_convolution(block: Block, width: int, kernel: int) -> None:
    """Gated convolution over a few tokens."""
    block.matrix("shortconv.conv", kernel, width)
    block.matrix("shortconv.in_proj", width, 3 * width)
    block.matrix("shortconv.out_proj", width, width)


def add_dense_feed_forward(
    block: Block, width: int, inner: int, *, shape: str = "gated", bias: bool = False
) -> None:
    """`shape`: `gated` has three matrices, `fused` gate and up in one, `plain` no gate."""
    if shape == "gated":
        block.matrix("ffn_gate", width, inner, bias=bias)
    block.matrix("ffn_up", width, 2 * inner if shape == "fused" else inner, bias=bias)
    block.matrix("ffn_down", inner, width, bias=bias)


@dataclass(frozen=True)
class MixtureOfExperts:
    """A mixture of experts; `inner` and `shared` are widths, `shared` 0 where none is shared."""

    width: int
    experts: int
    inner: int
    shared: int = 0
    shared_gate: bool = False
    selection_bias: bool = False
    bias: bool = False
    gated: bool = True
    latent: int = 0
    """Width the experts work in where it is not the model's, else 0."""


def add_mixture(block: Block, sizes: MixtureOfExperts) -> None:
    width = sizes.latent or sizes.width
    block.matrix("ffn_gate_inp", sizes.width, sizes.experts, bias=sizes.bias)
    if sizes.selection_bias:
        block.add("exp_probs_b.bias", sizes.experts)
    if sizes.latent:
        block.matrix("ffn_latent_down", sizes.width, sizes.latent)
        block.matrix("ffn_latent_up", sizes.latent, sizes.width)
    projections = ("gate", "up") if sizes.gated else ("up",)
    for part in projections:
        block.add(f"ffn_{part}_exps.weight", width, sizes.inner, sizes.experts)
        if sizes.bias:
            block.add(f"ffn_{part}_exps.bias", sizes.inner, sizes.experts)
    block.add("ffn_down_exps.weight", sizes.inner, width, sizes.experts)
    if sizes.bias:
        block.add("ffn_down_exps.bias", sizes.width, sizes.experts)
    if sizes.shared:
        for part in projections:
            block.matrix(f"ffn_{part}_shexp", sizes.width, sizes.shared)
        block.matrix("ffn_down_shexp", sizes.shared, sizes.width)
    if sizes.shared_gate:
        block.add("ffn_gate_inp_shexp.weight", sizes.width)


def add_prediction_head(block: Block, width: int) -> None:
    """The further tensors of a block that predicts a further token (NextN, MTP)."""
    block.matrix("nextn.eh_proj", 2 * width, width)
    for name in ("nextn.enorm", "nextn.hnorm", "nextn.shared_head_norm"):
        block.norm(name, width)
