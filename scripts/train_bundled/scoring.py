"""Task scores of a network in torch, to watch training; published scores come from the engines.

Needs torch. The rules are those of lm-evaluation-harness: acc for `choice`, is_greedy for `exact`.
"""

from __future__ import annotations

import math

import torch
from tokenizers import Tokenizer
from torch import Tensor

from grid.models.bundled import TASK_CLASSES, BundledItem, heldout_text, items
from train_bundled.network import Llama, rotary

_BATCH = 64


@torch.inference_mode()
def _log_probs(network: Llama, rows: list[list[int]]) -> list[Tensor]:
    """Log-probabilities [T, V] for each row of token ids; rows are padded at their end."""
    out: list[Tensor] = []
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        length = max(map(len, batch))
        ids = torch.tensor([row + [0] * (length - len(row)) for row in batch])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = network(ids, *rotary(network.shape, length))
        out.extend(logits.float().log_softmax(-1).unbind(0))
    return out


def _right(item: BundledItem, spans: list[tuple[Tensor, list[int], int]]) -> bool:
    """Whether the item is answered rightly; a span is log-probs, choice ids, first position."""
    sums = []
    for table, ids, first in spans:
        at = table[first - 1 : first - 1 + len(ids)]
        if item.kind == "exact":
            return bool(torch.equal(at.argmax(-1), torch.tensor(ids)))
        sums.append(float(at[torch.arange(len(ids)), torch.tensor(ids)].sum()))
    return sums.index(max(sums)) == item.answer


def class_score(network: Llama, tokenizer: Tokenizer, task_class: str, limit: int) -> float:
    """Share of the first `limit` items of a class that are right."""
    chosen = items(task_class)[:limit]
    pairs = [(item, choice) for item in chosen for choice in item.choices]
    context = [[0, *tokenizer.encode(item.context).ids] for item, _ in pairs]
    ending = [tokenizer.encode(choice).ids for _, choice in pairs]
    rows = [a + b for a, b in zip(context, ending, strict=True)]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    tables = dict(zip(order, _log_probs(network, [rows[i] for i in order]), strict=True))
    right, at = 0, 0
    for item in chosen:
        span = range(at, at + len(item.choices))
        right += _right(item, [(tables[i], ending[i], len(context[i])) for i in span])
        at += len(item.choices)
    return right / len(chosen)


def perplexity(network: Llama, tokenizer: Tokenizer, chunks: int, length: int = 512) -> float:
    """Perplexity of the held-out text as llama-perplexity defines it: second half of each chunk."""
    ids = tokenizer.encode(heldout_text()).ids
    rows = [[0, *ids[i * length + 1 : (i + 1) * length]] for i in range(chunks)]
    total, count = 0.0, 0
    for table, row in zip(_log_probs(network, rows), rows, strict=True):
        for position in range(length // 2, length - 1):
            total -= float(table[position, row[position + 1]])
            count += 1
    return math.exp(total / count)


def report(network: Llama, tokenizer: Tokenizer, limit: int = 300) -> dict[str, float]:
    """Score of each class, and the held-out perplexity."""
    network.eval()
    scores = {c: class_score(network, tokenizer, c, limit) for c in TASK_CLASSES}
    scores["ppl"] = perplexity(network, tokenizer, 60 if limit >= 300 else 8)
    return scores
