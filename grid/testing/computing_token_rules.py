"""Rules of what an engine may do beside its capabilities: read special tokens, count tokens."""

from __future__ import annotations

from grid.backend import CountsTokens, SpecialTokens
from grid.testing.case import TEXT, Case
from grid.testing.rules import require, rule


@rule("tokenizes")
def special_tokens_are_read_only_where_asked(case: Case) -> None:
    """Of engines with `encode_special`; nothing to hold the others to."""
    with case.engine() as engine:
        reads_special = isinstance(engine, SpecialTokens)
        if not reads_special:
            return
        plain = engine.encode(TEXT)
        require(
            engine.encode_special(TEXT) == plain, "a text without special tokens stays as it is"
        )
        prefix = engine.prefix
        require(prefix is None or 0 <= prefix < engine.vocabulary, "prefix is in the vocabulary")
        if engine.bos is not None:
            require(prefix is not None, "a vocabulary with BOS has a prefix")


@rule("tokenizes", "scores")
def evaluated_tokens_are_counted(case: Case) -> None:
    """Of engines with `evaluated_tokens`: never more than each request by itself would take."""
    with case.engine() as engine:
        counts = isinstance(engine, CountsTokens)
        if not counts:
            return
        ids = case.ids(engine)
        requests = [(ids[:4], ids[4:8]), (ids[:4], ids[5:7]), (ids[:1], ids)]
        before = engine.evaluated_tokens
        list(engine.score(requests))
        count = engine.evaluated_tokens - before
        most = sum(len(context) + len(continuation) for context, continuation in requests)
        require(0 < count <= most, f"{count} tokens counted where {most} are the most")
