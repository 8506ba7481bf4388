"""A Llama network for training, with the tensor names of Hugging Face's LlamaForCausalLM.

Needs torch. Shapes: B sequences, T tokens each, D hidden size, V vocabulary.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

HEAD_DIM = 64


@dataclass(frozen=True, slots=True)
class Shape:
    """Architecture; field names are those of a transformers config.json."""

    num_hidden_layers: int
    hidden_size: int = 256
    intermediate_size: int = 768
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    head_dim: int = HEAD_DIM
    vocab_size: int = 1024
    max_position_embeddings: int = 1024
    rms_norm_eps: float = 1e-5
    rope_theta: float = 10000.0

    def config(self) -> dict[str, object]:
        """The config.json that transformers and the GGUF converter read."""
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            **asdict(self),
            "hidden_act": "silu",
            "attention_bias": False,
            "mlp_bias": False,
            "attention_dropout": 0.0,
            "rope_scaling": None,
            "tie_word_embeddings": False,
            "bos_token_id": 0,
            "eos_token_id": 0,
            "initializer_range": 0.02,
            "torch_dtype": "float16",
            "use_cache": True,
        }


def rotary(shape: Shape, length: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines [T, head_dim] of rotary positions, halves repeated (rotate-half)."""
    half = torch.arange(0, shape.head_dim, 2, dtype=torch.float32) / shape.head_dim
    angles = torch.outer(torch.arange(length, dtype=torch.float32), shape.rope_theta**-half)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class Attention(nn.Module):
    """Causal attention with fewer key and value heads than query heads."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        wide = shape.num_attention_heads * shape.head_dim
        narrow = shape.num_key_value_heads * shape.head_dim
        self.q_proj = nn.Linear(shape.hidden_size, wide, bias=False)
        self.k_proj = nn.Linear(shape.hidden_size, narrow, bias=False)
        self.v_proj = nn.Linear(shape.hidden_size, narrow, bias=False)
        self.o_proj = nn.Linear(wide, shape.hidden_size, bias=False)
        self.group = shape.num_attention_heads // shape.num_key_value_heads

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        size = (*x.shape[:2], -1, HEAD_DIM)
        query = _rotate(self.q_proj(x).view(size).transpose(1, 2), cos, sin)
        key = _rotate(self.k_proj(x).view(size).transpose(1, 2), cos, sin)
        value = self.v_proj(x).view(size).transpose(1, 2)
        key = key.repeat_interleave(self.group, 1).to(value.dtype)
        value = value.repeat_interleave(self.group, 1)
        mixed = functional.scaled_dot_product_attention(
            query.to(value.dtype), key, value, is_causal=True
        )
        out: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(*x.shape[:2], -1))
        return out


class FeedForward(nn.Module):
    """Gated SiLU feed-forward."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.up_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.down_proj = nn.Linear(shape.intermediate_size, shape.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        out: Tensor = self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Layer(nn.Module):
    """Attention and feed-forward, each behind a norm and a residual."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn = Attention(shape)
        self.mlp = FeedForward(shape)
        self.input_layernorm = nn.RMSNorm(shape.hidden_size, shape.rms_norm_eps)
        self.post_attention_layernorm = nn.RMSNorm(shape.hidden_size, shape.rms_norm_eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        mixed: Tensor = x + self.self_attn(self.input_layernorm(x), cos, sin)
        out: Tensor = mixed + self.mlp(self.post_attention_layernorm(mixed))
        return out


class Llama(nn.Module):
    """Tokens in, logits out; `model` nests as in transformers so that tensor names agree."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.model = nn.ModuleDict(
            {
                "embed_tokens": nn.Embedding(shape.vocab_size, shape.hidden_size),
                "layers": nn.ModuleList(Layer(shape) for _ in range(shape.num_hidden_layers)),
                "norm": nn.RMSNorm(shape.hidden_size, shape.rms_norm_eps),
            }
        )
        self.lm_head = nn.Linear(shape.hidden_size, shape.vocab_size, bias=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                silent = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(weight, std=0.0 if silent else 0.02)

    def layers(self) -> nn.ModuleList:
        """The transformer layers in order."""
        layers = self.model["layers"]
        assert isinstance(layers, nn.ModuleList)
        return layers

    def forward(self, ids: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Token ids [B, T] -> logits [B, T, V]."""
        x = self.model["embed_tokens"](ids)
        for layer in self.layers():
            x = layer(x, cos, sin)
        logits: Tensor = self.lm_head(self.model["norm"](x))
        return logits


def grow(smaller: dict[str, Tensor], layers_before: int, shape: Shape) -> Llama:
    """A deeper network that computes what `smaller` does: new layers start silent.

    After each old layer come fresh ones whose output projections are zero, so training goes on
    from what the smaller size has learned.
    """
    network = Llama(shape)
    state = network.state_dict()
    ratio = shape.num_hidden_layers // layers_before
    for name, weight in smaller.items():
        parts = name.split(".")
        if parts[1] == "layers":
            parts[2] = str(int(parts[2]) * ratio)
        state[".".join(parts)] = weight.float()
    network.load_state_dict(state)
    return network
