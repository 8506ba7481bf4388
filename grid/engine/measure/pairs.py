"""Contexts and continuations as token ids, exactly as lm-evaluation-harness 0.4 cuts them.

Source: `TemplateLM._encode_pair` and `loglikelihood` (lm_eval/api/model.py) and
`get_rolling_token_windows` (lm_eval/utils.py), whose causal models add BOS where their tokenizer
does.
"""

from __future__ import annotations

from grid.engine.measure.conversation import PromptText, PromptTokenizer
from grid.errors import Unsupported

Pair = tuple[list[int], list[int]]
"""Ids of a context and of the continuation that is scored after it."""

USUAL_CONTEXT = 2048
"""Window of whole texts where a model does not say its context, as the harness has it."""


def encode_pair(tokenizer: PromptTokenizer, context: PromptText, continuation: str) -> Pair:
    """Both are cut from the ids of the whole text, so that a continuation is tokenized as the text
    it is part of; white space between the two goes to the continuation, for tokenizers join it to
    the word that follows. An empty context is the tokenizer's prefix.

    Raises Unsupported where a side is left without a token.
    """
    text = context.text.rstrip()
    gap = context.text[len(text) :]
    if not text:
        return _after_prefix(tokenizer, gap + continuation)
    before = PromptText(text, context.contents)
    ids = tokenizer.ids(before)
    whole = tokenizer.ids(before.followed_by(gap + continuation))
    if not ids or len(whole) <= len(ids):
        raise Unsupported("its context or a choice has no token of its own here")
    return ids, whole[len(ids) :]


def _after_prefix(tokenizer: PromptTokenizer, continuation: str) -> Pair:
    ids = tokenizer.plain.encode(continuation)
    if tokenizer.prefix is None or not ids:
        raise Unsupported("its context is empty, and this vocabulary has no token to begin with")
    if ids[0] == tokenizer.prefix and len(ids) > 1:
        return ids[:1], ids[1:]
    return [tokenizer.prefix], ids


def rolling_pairs(tokenizer: PromptTokenizer, text: str, context_length: int) -> list[Pair]:
    """Windows of a whole text, each token predicted once, with as much before it as fits: the first
    after the prefix, the last of full length again. Raises Unsupported for a text without tokens.
    """
    ids = tokenizer.ids(PromptText(text))
    prefix, size = tokenizer.prefix, context_length or USUAL_CONTEXT
    if prefix is None or not ids:
        raise Unsupported("it has no token, or this vocabulary none to begin a text with")
    pairs = [([prefix], ids[:size])]
    for start in range(size, len(ids), size):
        end = min(start + size, len(ids))
        pairs.append((ids[end - size - 1 : start], ids[start:end]))
    return pairs
