"""Starting weights that already look things up in the prompt.

In a two-layer network the pattern "what came after this before?" (an induction head) emerges
suddenly and late, after more tokens than this family is trained on. So the smallest size starts
from a hand-built one, and training refines it. Needs torch.

The residual stream [256] is divided: a random code of the token itself; the codes of the tokens
one, two and three places back, written by the first layer; the code of the token to say next,
written by the second layer and read by the head; and a constant, from which positions are found.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from train_bundled.network import HEAD_DIM, Llama, rotary

SCALE = 0.25
"""Size of a code's entries in the embedding."""

_OWN, _SAY, _CONSTANT = slice(0, 64), slice(160, 224), 255
_BACK = {1: slice(64, 96), 2: slice(96, 128), 3: slice(128, 160)}
_FAST = 8
"""Rotary frequencies, fastest first, that tell neighbouring positions apart."""
_SLOW = [*range(16, 32), *range(48, 64)]
"""Head dimensions that turn too slowly to matter within a prompt: codes are compared in these."""
_POSITION_GAIN = 0.6
_MATCH_GAIN = 1.5


def _rows(head: int) -> slice:
    return slice(head * HEAD_DIM, (head + 1) * HEAD_DIM)


def _at_distance(distance: int, cos: Tensor, sin: Tensor) -> Tensor:
    """Query direction [64] that fits a constant key best at `distance` places back."""
    direction = torch.zeros(HEAD_DIM)
    direction[:_FAST] = cos[distance, :_FAST]
    direction[HEAD_DIM // 2 : HEAD_DIM // 2 + _FAST] = -sin[distance, :_FAST]
    return direction * _POSITION_GAIN


def _look_back(layer: nn.Module, cos: Tensor, sin: Tensor) -> None:
    """First layer: heads 0, 1, 2 write the codes of the tokens 1, 2, 3 places back."""
    query, key, value, out = _projections(layer)
    for group in (0, 1):
        key[_rows(group), _CONSTANT] = _at_distance(0, cos, sin)
        value[_rows(group), _OWN] = torch.eye(HEAD_DIM)
    for head, (distance, place) in enumerate(_BACK.items()):
        query[_rows(head), _CONSTANT] = _at_distance(distance, cos, sin)
        out[place, head * HEAD_DIM : head * HEAD_DIM + 32] = SCALE * torch.eye(32)


def _match(layer: nn.Module) -> None:
    """Second layer: say what followed the last place where the same token stood before.

    Head 0 compares the present token with the one before each key; head 2 the token two back
    with the one three before each key, as in `Ana has the` ... `Ana has the lamp`.
    """
    query, key, value, out = _projections(layer)
    for head, wanted, earlier in ((0, slice(0, 32), _BACK[1]), (2, _BACK[2], _BACK[3])):
        group = head // 2
        slow = torch.tensor(_SLOW)
        query[slow + head * HEAD_DIM, wanted] = _MATCH_GAIN * torch.eye(32)
        key[slow + group * HEAD_DIM, earlier] = _MATCH_GAIN * torch.eye(32)
        value[_rows(group), _OWN] = torch.eye(HEAD_DIM)
        out[_SAY, _rows(head)] = SCALE * torch.eye(HEAD_DIM)


def _projections(layer: nn.Module) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Query, key, value and output weights of a layer, to be written in place."""
    weights = dict(layer.named_parameters())
    query, key, value, out = (weights[f"self_attn.{part}_proj.weight"].data for part in "qkvo")
    return query, key, value, out


def build_lookup(network: Llama) -> None:
    """Write the circuit into a fresh two-layer network."""
    weights = dict(network.named_parameters())
    codes = torch.randint(0, 2, (network.shape.vocab_size, 64)) * 2.0 - 1.0
    embedding = weights["model.embed_tokens.weight"].data
    embedding[:, _OWN] = SCALE * codes
    embedding[:, _CONSTANT] = SCALE * 8.0
    weights["lm_head.weight"].data[:, _SAY] = 0.1 * codes
    first, second = network.layers()
    _look_back(first, *rotary(network.shape, 4))
    _match(second)
