"""Measurement: one attempt at a cell, with its raw samples, its environment and its error."""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal["ok", "error", "timeout", "oom", "unsupported", "skipped", "lost"]

RETRIED: frozenset[Status] = frozenset({"error", "timeout", "lost"})
"""Statuses that a resume tries again; the others are final."""

DISTURBED = "disturbed"
"""Fact of an attempt's environment: how others disturbed its repetitions, in words."""

PRUNED = "not tried: "
"""Beginning of the reason of a cell skipped while running, because a smaller one of its kind ran
out of memory. A resume leaves those as they are; what a plan skips it decides anew each time."""


SCORED_CHUNKS = "scored_chunks"
"""Fact of a quality attempt that scored fewer chunks than its cell asks for: how many, and why."""


class Series(msgspec.Struct, frozen=True):
    """Raw samples of one quantity, in the order measured."""

    name: str
    unit: str
    values: tuple[float, ...]


class ItemResult(msgspec.Struct, frozen=True, kw_only=True):
    """One task item: `score` 0 or 1, `chosen` the index picked (-1: none), log-likelihoods in nats.

    `chance` is the score that guessing would get on this item. `response` is the text that the
    model wrote, of `tokens` tokens; `finish` says what ended it: `stop`, `length`, or
    `unanswered` with the reason in `note`. `group` names the passage or subject that it shares
    with other items, empty for an item by itself. `prompt_tokens` are those that the item asked
    alone takes into an empty cache, choices with it; None where it is not known.
    """

    task_class: str
    item: str
    score: float
    chance: float
    chosen: int
    answer: int
    log_likelihoods: tuple[float, ...]
    task: str = ""
    response: str = ""
    tokens: int = 0
    finish: str = ""
    note: str = ""
    group: str = ""
    prompt_tokens: int | None = None


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """A derived figure: value with unit, 95 % interval where one can be given, and n samples.

    `method` names how value and interval were derived; absent values are None, never zero.
    """

    name: str
    value: float | None
    unit: str
    low: float | None = None
    high: float | None = None
    sd: float | None = None
    n: int = 1
    method: str = ""


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """The raw result of one attempt; figures are derived from it.

    `scalars` are single observed facts (bytes, seconds), `wall_s` the time of the attempt and
    `engine_s` the part of it spent inside engine calls. `environment` says what it ran on and how.
    """

    cell_id: str
    status: Status
    reason: str = ""
    started_at: float = 0.0
    """Seconds since the epoch, UTC."""
    wall_s: float = 0.0
    engine_s: float = 0.0
    engine_version: str = ""
    scalars: dict[str, float] = {}
    series: tuple[Series, ...] = ()
    items: tuple[ItemResult, ...] = ()
    environment: dict[str, str] = {}
