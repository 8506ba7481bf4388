"""Rates after as much context as is asked for, from those that were measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from grid.analysis import Speed, Variant

EMPTY = "from an empty context"


@dataclass(frozen=True)
class Deep:
    """A rate and, in words, after how much context it is."""

    speed: Speed
    told: str


def decode_at(variant: Variant, context: int) -> Deep | None:
    """The decode rate after the greatest measured depth within `context` tokens, else after the
    least one; None where none was measured.

    From there to `context` the cache is read beside the weights and takes its share of the time,
    but where the weights lie in the processor's cache: there bytes do not decide.
    """
    from grid.advice.prediction import read_bytes_of

    deep = _deepest(variant.decode, context)
    if deep is None:
        return None
    speed = variant.decode[deep]
    weights = variant.artifact_bytes
    if context <= deep or not weights or weights < (variant.llc_bytes or 0):
        return Deep(speed, after(deep))
    share = read_bytes_of(variant, deep) / read_bytes_of(variant, context)
    if share == 1:
        return Deep(speed, after(deep))
    return Deep(_times(speed, share), f"{after(deep)}, less what a cache of {context} tokens takes")


def prefill_at(variant: Variant, prompt: int) -> Deep | None:
    """The rate of the deepest piece of a prompt that was measured within `prompt` tokens, else of
    the first one; None where none was measured."""
    ends = {depth: depth + speed.tokens for depth, speed in variant.prefill.items()}
    within = [depth for depth, end in ends.items() if end <= prompt]
    if not ends:
        return None
    deep = max(within, default=min(ends))
    told = f"prefill measured up to {ends[deep]} tokens only" if prompt > ends[deep] else ""
    return Deep(variant.prefill[deep], told)


def sooner(variant: Variant, prompt: int, context: int) -> float:
    """Decode rate after the prompt over that after the context: 1 or more, if depth slows."""
    from grid.advice.prediction import read_bytes_of

    near, far = (decode_at(variant, tokens) for tokens in (min(prompt, context), context))
    if near is not None and far is not None and far.speed.interval.value > 0:
        return near.speed.interval.value / far.speed.interval.value
    if not variant.artifact_bytes:
        return 1.0
    return read_bytes_of(variant, context) / read_bytes_of(variant, min(prompt, context))


def after(tokens: int) -> str:
    """`after 300 tokens of context`."""
    return f"after {tokens} tokens of context" if tokens else EMPTY


def _deepest(speeds: Mapping[int, Speed], context: int) -> int | None:
    within = [depth for depth in speeds if depth <= context]
    return max(within, default=min(speeds, default=None))


def _times(speed: Speed, share: float) -> Speed:
    found = speed.interval
    ends = [None if end is None else share * end for end in (found.low, found.high, found.sd)]
    low, high, sd = ends
    interval = replace(found, value=share * found.value, low=low, high=high, sd=sd)
    return replace(speed, interval=interval, rates=share * speed.rates)
