"""Parameters of mixtures of experts by their names: in all, and those that a token uses."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple


class NamedSize(NamedTuple):
    """Weight elements in all, and those that a token uses, as a name rounds them: to the tenth or
    the whole billion."""

    total: int
    active: int


_START, _END = r"(?:^|(?<=[-_. /(]))", r"(?=$|[-_. /):])"
_ACTIVE = re.compile(
    rf"{_START}(\d+(?:\.\d+)?)([BT])[-_. ]?A(\d+(?:\.\d+)?)([BM]){_END}", re.IGNORECASE
)
"""`30B-A3B`, `1B-a400m`, `1T-A32B`; llama.cpp writes `30B.A3B`."""
_TIMES = re.compile(rf"{_START}(\d+)x(\d+(?:\.\d+)?)([BM]){_END}", re.IGNORECASE)
"""`8x7B`: experts of a dense model of 7B, whose attention they share."""
_MIXTURE = re.compile(
    r"moe(?![a-z])|moe_?hybrid|mixtral|dbrx|gpt[-_]?oss|kimi[-_]?(?:k2|linear)|llama[-_]?4"
    r"|(?<![a-z0-9])\d+b[-_]\d+e(?![a-z0-9])|olmoe|minimax[-_]?(?:m1|m2|text)|granite[-_]?4\S*h[-_]"
    r"|deepseek(?:[-_]coder[-_]v|[-_]?v?)[23](?!\d)"
    r"|deepseek[-_]r1(?![-_](?:distill|0528[-_]qwen))|glm[-_]?4\.[5-9]|qwen3[-_](?:coder[-_])?next",
    re.IGNORECASE,
)
_DENSE = re.compile(rf"{_START}(\d+(?:\.\d+)?)([BM]){_END}", re.IGNORECASE)
_UNIT = {"M": 1e6, "B": 1e9, "T": 1e12}

_FEED_FORWARD = 0.78
"""Share of a dense model that experts copy: 5.64 of Mistral 7B's 7.24 billion (Mixtral of experts,
arXiv 2401.04088); 0.77 of the 22 billion behind Mixtral 8x22B."""
_USED_OF_COPIES = 2

_PUBLISHED: tuple[tuple[str, float, float], ...] = (
    (r"qwen3(?:[-_](?:coder|omni|vl))?[-_]30b[-_. ]a3b", 30.5, 3.3),
    (r"qwen3[-_](?:vl[-_])?235b[-_. ]a22b", 235.1, 22.2),
    (r"qwen3[-_]coder[-_]480b[-_. ]a35b", 480.2, 35.5),
    (r"qwen3[-_](?:coder[-_])?next", 79.7, 3.9),
    (r"qwen1\.5[-_]moe[-_]a2\.7b", 14.3, 2.7),
    (r"qwen2[-_]57b[-_]a14b", 57.4, 14.2),
    (r"mixtral[-_]8x7b", 46.7, 12.9),
    (r"mixtral[-_]8x22b", 140.6, 39.2),
    (r"gpt[-_]?oss[-_]20b", 20.9, 3.6),
    (r"gpt[-_]?oss[-_]120b", 116.8, 5.1),
    (r"deepseek[-_](?:coder[-_])?v2(?:\.5)?[-_](?:\w+[-_])?lite", 15.7, 2.4),
    (r"deepseek[-_](?:coder[-_])?v2", 235.7, 21.4),
    (r"deepseek[-_]?(?:v3|r1)(?![-_](?:distill|0528[-_]qwen))", 671.0, 37.6),
    (r"kimi[-_]?k2", 1026.0, 32.9),
    (r"kimi[-_]linear[-_]48b", 49.1, 3.0),
    (r"llama[-_]?4[-_](?:scout|17b[-_]16e)", 107.8, 17.2),
    (r"llama[-_]?4[-_](?:maverick|17b[-_]128e)", 400.7, 17.2),
    (r"glm[-_]?4\.7[-_]flash", 29.9, 3.0),
    (r"glm[-_]?4\.5[-_]air", 106.9, 12.0),
    (r"glm[-_]?4\.[567]", 355.0, 32.0),
    (r"minimax[-_]?m2", 228.7, 10.0),
    (r"granite[-_]?4\.0[-_]h[-_]small", 32.2, 9.0),
    (r"granite[-_]?4\.0[-_]h[-_]tiny", 6.9, 1.0),
    (r"phi[-_]?3\.5[-_]moe", 41.9, 6.6),
    (r"olmoe[-_]1b[-_]7b", 6.9, 1.3),
    (r"lfm2(?:\.5)?[-_]8b[-_]a1b", 8.3, 1.5),
    (r"gemma[-_]?4[-_]26b[-_]a4b", 25.2, 3.8),
    (r"nemotron[-_]3[-_]nano[-_](?:omni[-_])?30b", 31.6, 3.2),
    (r"dbrx", 131.6, 36.0),
    (r"laguna[-_]xs", 33.0, 3.0),
)
"""Names that say less than their model cards do: billions in all, and those that a token uses."""


@lru_cache(maxsize=4096)
def mixture_size(*names: str) -> NamedSize | None:
    """The size that the names of a mixture tell, the most exact way first; None where none does:
    `Qwen3-30B-A3B`, `Mixtral-8x7B`, `gpt-oss-20b`."""
    sizes = (rule(name) for rule in (_published, _active, _copied) for name in names)
    return next((size for size in sizes if size is not None), None)


def names_mixture(*names: str) -> bool:
    """Whether a name says that the model is a mixture of experts, with its size or without."""
    return mixture_size(*names) is not None or any(_MIXTURE.search(name) for name in names)


def size_in(name: str) -> int | None:
    """Weight elements that a model's name states, `Llama-3.1-8B`; None for none or several."""
    mixture = mixture_size(name)
    if mixture is not None:
        return mixture.total
    sizes = {_number(digits, unit) for digits, unit in _DENSE.findall(name)}
    return sizes.pop() if len(sizes) == 1 else None


def _published(name: str) -> NamedSize | None:
    for pattern, total, active in _PUBLISHED:
        if re.search(rf"(?<![a-z0-9]){pattern}(?![a-z0-9])", name, re.IGNORECASE):
            return NamedSize(round(total * 1e9), round(active * 1e9))
    return None


def _active(name: str) -> NamedSize | None:
    match = _ACTIVE.search(name)
    if match is None:
        return None
    total, active = _number(match[1], match[2]), _number(match[3], match[4])
    return NamedSize(total, active) if 0 < active <= total else None


def _copied(name: str) -> NamedSize | None:
    """Of `8x7B`: eight copies of a 7B model's feed forward, of which a token uses two."""
    match = _TIMES.search(name)
    if match is None:
        return None
    count, dense = int(match[1]), _number(match[2], match[3])
    if count < _USED_OF_COPIES or not dense:
        return None
    copy = _FEED_FORWARD * dense
    total, active = (round(dense + (n - 1) * copy) for n in (count, _USED_OF_COPIES))
    return NamedSize(total, active)


def _number(digits: str, unit: str) -> int:
    return round(float(digits) * _UNIT[unit.upper()])
