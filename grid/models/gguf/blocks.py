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


def attention(block: Block, a: Attention) -> None:
    """Grouped-query attention."""
    query, key = a.heads * a.head, a.kv_heads * a.head
    if a.fused:
        block.matrix("attn_qkv", a.width, query + 2 * key, bias=a.bias)
    else:
        block.matrix("attn_q", a.width, query * (2 if a.gate == "query" else 1), bias=a.bias)
        block.matrix("attn_k", a.width, key, bias=a.bias)
        block.matrix("attn_v", a.width, key, bias=a.bias)
    block.matrix("attn_output", query, a.width, bias=a.output_bias)
    if a.gate == "head":
        block.matrix("attn_gate", a.width, a.heads)
    if a.sinks:
        block.add("attn_sinks.weight", a.heads)
    for name, heads in (("attn_q_norm", a.heads), ("attn_k_norm", a.kv_heads)):
        if a.norms == "head":
            block.norm(name, a.head)
        elif a.norms == "heads":
            block.add(f"{name}.weight", a.head, heads)
        elif a.norms == "full":
            block.norm(name, heads * a.head)


@dataclass(frozen=True)
class Latent:
    """Multi-head latent attention (MLA); widths in elements."""

    width: int
    heads: int
    q_rank: int
    """0 where the query is not compressed."""
    kv_rank: int
    nope: int
    rope: int
    value: int


def latent_attention(block: Block, a: Latent) -> None:
    """With the key's and value's second projection apart and by head, as converters write them."""
    query = a.heads * (a.nope + a.rope)
    if a.q_rank:
        block.matrix("attn_q_a", a.width, a.q_rank)
        block.norm("attn_q_a_norm", a.q_rank)
        block.matrix("attn_q_b", a.q_rank, query)
    else:
        block.matrix("attn_q", a.width, query)
    block.matrix("attn_kv_a_mqa", a.width, a.kv_rank + a.rope)
    block.norm("attn_kv_a_norm", a.kv_rank)
    block.add("attn_k_b.weight", a.nope, a.kv_rank, a.heads)
    block.add("attn_v_b.weight", a.kv_rank, a.value, a.heads)
    block.matrix("attn_output", a.heads * a.value, a.width)


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


def delta_net(block: Block, a: DeltaNet) -> None:
    keys, values = a.key_heads * a.key, a.value_heads * a.value
    block.matrix("attn_qkv", a.width, 2 * keys + values)
    block.matrix("attn_gate", a.width, values)
    block.matrix("ssm_conv1d", a.kernel, 2 * keys + values)
    block.add("ssm_dt.bias", a.value_heads)
    block.add("ssm_a", a.value_heads)
    if a.joint:
        block.matrix("ssm_ba", a.width, 2 * a.value_heads)
    else:
        block.matrix("ssm_beta", a.width, a.value_heads)
        block.matrix("ssm_alpha", a.width, a.value_heads)
    block.norm("ssm_norm", a.value)
    block.matrix("ssm_out", values, a.width)


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


def mamba(block: Block, a: Mamba) -> None:
    inner, states = a.heads * a.head, 2 * a.groups * a.state
    block.matrix("ssm_in", a.width, 2 * inner + states + a.heads)
    block.matrix("ssm_conv1d", a.kernel, inner + states, bias=a.conv_bias)
    block.add("ssm_dt.bias", a.heads)
    block.add("ssm_a", 1, a.heads)
    block.add("ssm_d", 1, a.heads)
    block.add("ssm_norm.weight", inner // a.groups, a.groups)
    block.matrix("ssm_out", inner, a.width)


def short_convolution(block: Block, width: int, kernel: int) -> None:
    """A gated convolution over a few tokens."""
    block.matrix("shortconv.conv", kernel, width)
    block.matrix("shortconv.in_proj", width, 3 * width)
    block.matrix("shortconv.out_proj", width, width)


def feed_forward(
    block: Block, width: int, inner: int, *, shape: str = "gated", bias: bool = False
) -> None:
    """`shape`: `gated` has three matrices, `fused` gate and up in one, `plain` no gate."""
    if shape == "gated":
        block.matrix("ffn_gate", width, inner, bias=bias)
    block.matrix("ffn_up", width, 2 * inner if shape == "fused" else inner, bias=bias)
    block.matrix("ffn_down", inner, width, bias=bias)


@dataclass(frozen=True)
class Mixture:
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


def mixture(block: Block, m: Mixture) -> None:
    width = m.latent or m.width
    block.matrix("ffn_gate_inp", m.width, m.experts, bias=m.bias)
    if m.selection_bias:
        block.add("exp_probs_b.bias", m.experts)
    if m.latent:
        block.matrix("ffn_latent_down", m.width, m.latent)
        block.matrix("ffn_latent_up", m.latent, m.width)
    wide = ("gate", "up") if m.gated else ("up",)
    for part in wide:
        block.add(f"ffn_{part}_exps.weight", width, m.inner, m.experts)
        if m.bias:
            block.add(f"ffn_{part}_exps.bias", m.inner, m.experts)
    block.add("ffn_down_exps.weight", m.inner, width, m.experts)
    if m.bias:
        block.add("ffn_down_exps.bias", m.width, m.experts)
    if m.shared:
        for part in wide:
            block.matrix(f"ffn_{part}_shexp", m.width, m.shared)
        block.matrix("ffn_down_shexp", m.shared, m.width)
    if m.shared_gate:
        block.add("ffn_gate_inp_shexp.weight", m.width)


def prediction_head(block: Block, width: int) -> None:
    """What a block that predicts a further token has besides (NextN, MTP)."""
    block.matrix("nextn.eh_proj", 2 * width, width)
    for name in ("nextn.enorm", "nextn.hnorm", "nextn.shared_head_norm"):
        block.norm(name, width)
