"""Mixtures of experts: a token reads few of their weights, and rows do not tell how many."""

from __future__ import annotations

import re

from grid.analysis.variant import Variant

MIXTURE_UNKNOWN = (
    "a mixture of experts: a token reads some of its weights alone, and rows do not tell how many"
)
_NAME = re.compile(
    r"\d+(\.\d+)?[bt][-_. ]?a\d+(\.\d+)?[bm](?![a-z0-9])"  # 30B-A3B
    r"|(?<![a-z0-9])\d+x\d+(\.\d+)?[bm](?![a-z0-9])"  # 8x7B
    r"|(?<![a-z0-9])\d+b[-_]\d+e(?![a-z0-9])"  # 17B-16E
    r"|moe(?![a-z])|moe_?hybrid|mixtral|dbrx|gpt[-_]?oss|kimi[-_]k2|llama[-_]?4"
    r"|deepseek([-_]coder[-_]v|[-_]?v?)[23](?!\d)|deepseek[-_]r1(?![-_](distill|0528[-_]qwen))"
)


def mixture_of_experts(variant: Variant) -> bool:
    """True where the name of the model or of its family says that it is one: no rate is predicted
    for it, and its rates tell nothing of other models (`MIXTURE_UNKNOWN`)."""
    return any(_NAME.search(text.lower()) for text in (variant.model, variant.family))
