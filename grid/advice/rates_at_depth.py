"""Rates after the requested context, from those that were measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from grid.analysis import Speed, Variant

EMPTY = "from an empty context"


@dataclass(frozen=True)
class RateAtDepth:
    """A rate, and in words after how much context it is."""

    speed: Speed
    depth_text: str


def decode_at(variant: Variant, context: int) -> RateAtDepth | None:
    """The decode rate after the greatest measured depth within `context` tokens, else after the
    least one; None where none was measured.

    From there to `context` the cache is read beside the weights and takes its share of the time,
    but where the weights lie in the processor's cache: there bytes do not decide. Nor do those of a
    cache on a card beside weights in main memory.
    """
    from grid.advice.prediction import read_bytes_of

    deep = _deepest(variant.decode, context)
    if deep is None:
        return None
    speed = variant.decode[deep]
    weights = variant.artifact_bytes
    cached = weights < (variant.llc_bytes or 0)
    if context <= deep or not weights or cached or variant.is_split:
        return RateAtDepth(speed, after_context(deep))
    share = read_bytes_of(variant, deep) / read_bytes_of(variant, context)
    if share == 1:
        return RateAtDepth(speed, after_context(deep))
    text = f"{after_context(deep)}, less what a cache of {context} tokens takes"
    return RateAtDepth(_scaled_speed(speed, share), text)


def prefill_at(variant: Variant, prompt: int) -> RateAtDepth | None:
    """The rate of the deepest piece of a prompt that was measured within `prompt` tokens, else of
    the first one; None where none was measured."""
    ends = {depth: depth + speed.tokens for depth, speed in variant.prefill.items()}
    within = [depth for depth, end in ends.items() if end <= prompt]
    if not ends:
        return None
    deep = max(within, default=min(ends))
    depth_text = f"prefill measured up to {ends[deep]} tokens only" if prompt > ends[deep] else ""
    return RateAtDepth(variant.prefill[deep], depth_text)


def decode_rate_ratio(variant: Variant, prompt: int, context: int) -> float:
    """Decode rate after the prompt over that after the context: 1 or more, if depth slows."""
    from grid.advice.prediction import read_bytes_of

    near, far = (decode_at(variant, tokens) for tokens in (min(prompt, context), context))
    if near is not None and far is not None and far.speed.interval.value > 0:
        return near.speed.interval.value / far.speed.interval.value
    if not variant.artifact_bytes:
        return 1.0
    return read_bytes_of(variant, context) / read_bytes_of(variant, min(prompt, context))


def after_context(tokens: int) -> str:
    """`after 300 tokens of context`."""
    return f"after {tokens} tokens of context" if tokens else EMPTY


def _deepest(speeds: Mapping[int, Speed], context: int) -> int | None:
    within = [depth for depth in speeds if depth <= context]
    return max(within, default=min(speeds, default=None))


def _scaled_speed(speed: Speed, share: float) -> Speed:
    figure = speed.interval
    ends = (figure.low, figure.high, figure.sd)
    low, high, sd = (None if end is None else share * end for end in ends)
    interval = replace(figure, value=share * figure.value, low=low, high=high, sd=sd)
    return replace(speed, interval=interval, rates=share * speed.rates)
