"""Token ids and texts to run an engine on, the same for every engine with the same vocabulary."""

from __future__ import annotations

import random
from functools import cache

from grid.backend import Tokenizes

_SEED = 20_512


def token_ids(tokenizer: Tokenizes, count: int, first: bool = True) -> list[int]:
    """`count` ids drawn evenly from the vocabulary, as llama-bench draws them; BOS leads the
    `first` ones of a context where the vocabulary has one."""
    drawn = random.Random(_SEED)
    ids = [int(drawn.random() * tokenizer.vocabulary) for _ in range(count)]
    if first and tokenizer.bos is not None and ids:
        ids[0] = tokenizer.bos
    return ids


@cache
def prose() -> str:
    """Natural English that ships with the package, for requests that pass the tokenizer."""
    from grid.cells.texts import read_text

    return read_text("ref:heldout").text


def prompt_text(tokenizer: Tokenizes, tokens: int, first: int = 0) -> str:
    """Prose of `tokens` tokens, from token `first` of it on; where the cut falls inside a word, a
    token more or less."""
    text = prose()
    ids = tokenizer.encode(text)
    while len(ids) < first + tokens:
        ids = ids + ids
    return tokenizer.decode(ids[first : first + tokens]).decode(errors="ignore")
