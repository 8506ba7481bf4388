"""What an item set asks of an engine: tokens to read and to write, and how it answers."""

from __future__ import annotations

from collections.abc import Sequence
from os.path import commonprefix

import msgspec

from grid.cells.items import Item

CHARACTERS_PER_TOKEN = 4.0
"""Of English in a vocabulary of 50,000 tokens or more."""

WRITTEN_SHARE = 0.5
"""Share of their token limit that written answers take."""


class ItemFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Estimated tokens read and written for all items of a set, a beginning that all share counted
    once; whether it has items whose choices are scored, items whose answers are written, and
    items whose documents are ranked."""

    read: int
    written: int
    scores: bool
    writes: bool
    ranks: bool = False


def item_facts(items: Sequence[Item]) -> ItemFacts:
    """The facts of these items."""
    if any(map(_ranks, items)):
        texts = {text for item in items for text in (item.context, *item.choices)}
        read = round(sum(map(len, texts)) / CHARACTERS_PER_TOKEN)
        return ItemFacts(read=read, written=0, scores=False, writes=False, ranks=True)
    contexts = [_context(item) for item in items]
    shared = len(commonprefix(contexts)) if len(contexts) > 1 else 0  # noqa: RUF071  (no paths)
    characters = shared + sum(
        len(context) - shared + sum(map(len, item.choices))
        for context, item in zip(contexts, items, strict=True)
    )
    return ItemFacts(
        read=round(characters / CHARACTERS_PER_TOKEN + sum(map(_later_turns, items))),
        written=round(WRITTEN_SHARE * sum(map(_most_written, items))),
        scores=any(not _writes(item) for item in items),
        writes=any(map(_writes, items)),
    )


def _writes(item: Item) -> bool:
    return item.kind == "generate"


def _ranks(item: Item) -> bool:
    return item.kind == "retrieval"


def _most_written(item: Item) -> int:
    return item.max_tokens * (1 + len(item.turns)) if _writes(item) else 0


def _later_turns(item: Item) -> float:
    """Tokens read for the turns after the first: each reads the conversation before it anew."""
    before, read = len(_context(item)) / CHARACTERS_PER_TOKEN, 0.0
    for turn in item.turns:
        before += WRITTEN_SHARE * item.max_tokens + len(turn) / CHARACTERS_PER_TOKEN
        read += before
    return read


def _context(item: Item) -> str:
    text = item.context or "".join(message.content for message in item.messages)
    return text + "".join(item.contexts)
