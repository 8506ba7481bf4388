"""Rules of computing: tokens, distributions, scores, steps and text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from grid.backend import Embeds, Generates, Logits, Scores, Steps, Tokenizes
from grid.errors import EngineError, Unsupported
from grid.testing.case import TEXT, Case, Expected
from grid.testing.rules import NotTried, near, raises, require, rule

Floats = npt.NDArray[np.float64]

_GENERATED = 6


@rule("tokenizes")
def tokens_give_their_text_back(case: Case) -> None:
    with case.engine() as engine:
        tokenizer: Tokenizes = engine
        ids = tokenizer.encode(TEXT)
        require(all(0 <= i < tokenizer.vocabulary for i in ids), "ids are in the vocabulary")
        require(tokenizer.encode(TEXT) == ids, "encoding is deterministic")
        require(tokenizer.bos not in ids, "encoding adds no special token")
        back = tokenizer.decode(ids)
        require(back.endswith(TEXT.encode()), "decoding gives the text back")
        parts = tokenizer.decode(ids[:3]) + tokenizer.decode(ids[3:])
        require(parts == back, "tokens decode the same apart as together")


@rule("tokenizes", "logits")
def logits_are_a_distribution_per_token(case: Case) -> None:
    with case.engine() as engine:
        model: Logits = engine
        ids = case.ids(engine)
        first, cut = case.tokens // 6, case.tokens // 4
        rows = model.logits(ids)
        require(rows.shape == (len(ids), engine.vocabulary), "one row a token")
        require(rows.dtype == np.float32, "logits are float32")
        require(bool(np.isfinite(rows).all()), "logits are finite")
        require(np.array_equal(model.logits(ids), rows), "logits are deterministic")
        near(model.logits(ids, first), rows[first:], "rows from `first` on are the same")
        near(model.logits(ids[:cut]), rows[:cut], "a row depends on nothing after it")


@rule("tokenizes")
def a_second_load_computes_the_same(case: Case) -> None:
    """As near as the order of additions allows, which an allocator may change."""
    _require_log_probs(case)
    loads = []
    for _ in range(2):
        with case.fresh() as engine:
            loads.append(_log_probs_of_text(case, engine, case.ids(engine)))
    near(loads[0], loads[1], "the same weights loaded twice score the same")


@rule("tokenizes", "logits", "scores")
def scores_are_those_of_the_logits(case: Case) -> None:
    with case.engine() as engine:
        scorer: Scores = engine
        ids = case.ids(engine)
        requests = [(ids[:4], ids[4:8]), (ids[:4], ids[5:7]), (ids[:7], ids[7:8]), (ids[:1], ids)]
        scores = list(scorer.score(requests))
        require(len(scores) == len(requests), "one answer a request, in order")
        for (context, continuation), answer in zip(requests, scores, strict=True):
            logits = engine.logits([*context, *continuation[:-1]], len(context) - 1)
            near(
                answer.log_probs, _log_probs(logits, continuation), "scores follow from the logits"
            )
            require(bool((answer.log_probs <= 0).all()), "log-probabilities are not positive")
            top = logits[np.arange(len(continuation)), answer.argmax]
            near(top, logits.max(axis=1), "argmax is the most likely token")


@rule("tokenizes")
def text_becomes_the_tokens_of_the_reference(case: Case) -> None:
    expected = _expected(case)
    if not expected.text:
        raise NotTried(f"the case has tokens of {expected.source}, but not their text")
    with case.engine() as engine:
        start = [] if engine.bos is None else [engine.bos]
        ids = [*start, *engine.encode(expected.text)]
    want = list(expected.ids)
    at = next((n for n, pair in enumerate(zip(ids, want, strict=False)) if len({*pair}) > 1), None)
    place = "" if at is None else f", the first other one at {at}"
    counts = f"{len(ids)} tokens of the text, {expected.source} has {len(want)}{place}"
    require(ids == want, f"text becomes the tokens of the reference: {counts}")


@rule()
def scores_agree_with_the_reference(case: Case) -> None:
    expected = _expected(case)
    _require_log_probs(case)
    ids = expected.ids[: case.tokens]
    with case.engine() as engine:
        log_probs = _log_probs_of_text(case, engine, ids)
    statement = f"scores agree with {expected.source}"
    near(log_probs, expected.log_probs[: len(ids) - 1], statement, expected.near)


def expectation(case: Case, source: str = "the reference") -> Expected:
    """What this engine says of a text, for others of the same 16-bit weights to be held against."""
    _require_log_probs(case)
    with case.engine() as engine:
        ids = case.ids(engine)
        log_probs = _log_probs_of_text(case, engine, ids)
        text = _text_of(engine, [token for token in ids if token != engine.bos])
    return Expected(ids=tuple(ids), log_probs=tuple(log_probs.tolist()), text=text, source=source)


def _text_of(tokenizer: Tokenizes, ids: Sequence[int]) -> str:
    """The beginning of TEXT that has these tokens; empty where they end inside of a word."""
    parts = (TEXT[:end] for end in range(len(TEXT), 0, -1))
    return next((part for part in parts if tokenizer.encode(part) == list(ids)), "")


def _expected(case: Case) -> Expected:
    if case.expected is None:
        raise NotTried("the case has no figures of another engine (Case.expected)")
    return case.expected


def _require_log_probs(case: Case) -> None:
    if not {"logits", "scores"} & case.backend.capabilities:
        raise NotTried(f"{case.backend.name} declares neither logits nor scores")


def _log_probs_of_text(case: Case, engine: Any, ids: Sequence[int]) -> Floats:
    """Log-probability of each token after those before it, [len(ids) - 1]."""
    if "logits" in case.backend.capabilities:
        return _log_probs(engine.logits(list(ids[:-1])), ids[1:])
    try:
        (scores,) = engine.score([(list(ids[:1]), list(ids[1:]))])
    except Unsupported as error:
        if "endpoint" not in case.backend.capabilities:
            raise
        raise NotTried(str(error)) from error  # what a server can is its own
    log_probs: Floats = scores.log_probs
    return log_probs


def _log_probs(logits: npt.NDArray[np.float32], ids: Sequence[int]) -> Floats:
    rows = logits.astype(np.float64)
    rows -= rows.max(axis=1, keepdims=True)
    rows -= np.log(np.exp(rows).sum(axis=1, keepdims=True))
    picked: Floats = rows[np.arange(len(ids)), list(ids)]
    return picked


@rule("embeds")
def texts_become_vectors_of_length_one(case: Case) -> None:
    with case.engine() as engine:
        embedder: Embeds = engine
        half = TEXT[: len(TEXT) // 2]
        vectors = embedder.embed([TEXT, half, TEXT])
        require(vectors.ndim == 2 and len(vectors) == 3, "one row a text")
        require(vectors.dtype == np.float32, "vectors are float32")
        near(np.linalg.norm(vectors, axis=1), np.ones(3), "rows have length 1")
        near(vectors[0], vectors[2], "the same text has the same vector")
        near(vectors[1], embedder.embed([half])[0], "a vector depends on its own text alone")
        apart = float(np.abs(vectors[0] - vectors[1]).max())
        require(apart > 1e-4, "another text has another vector")
        require(bool(embedder.pooling), "the engine says how it pools")


@rule("tokenizes", "steps")
def steps_can_be_cut_back_and_repeated(case: Case) -> None:
    """The context has room for what was asked again after every cut: more steps than it holds."""
    with case.engine() as engine:
        steps: Steps = engine
        ids = case.ids(engine)
        repeated = ids[: case.tokens // 2]
        for _ in range(2):
            steps.reset()
            steps.prefill(ids)
            for _ in range(case.context // len(repeated)):
                steps.truncate(len(ids))
                for token in repeated:
                    steps.step(token)


@rule("tokenizes", "steps")
def a_context_that_is_full_is_an_engine_error(case: Case) -> None:
    with case.engine() as engine, raises(EngineError, "a full context is an error"):
        for _ in range(64):
            engine.prefill([case.ids(engine)[-1]] * case.context)


@rule("tokenizes", "generates")
def generation_counts_and_repeats(case: Case) -> None:
    with case.engine() as engine:
        generator: Generates = engine
        ids = case.ids(engine)
        prompts, count = [ids, ids[:_GENERATED]], _GENERATED
        first = list(generator.generate(prompts, count, True, 0))
        counts = [sum(i == index for i, _ in first) for index in range(2)]
        require(counts == [count] * 2, f"max_tokens tokens for each prompt, not {counts}")
        second = list(generator.generate(prompts, count, True, 0))
        require(second == first, "greedy generation is deterministic")
        drawn = [list(generator.generate([ids], count, True, 7)) for _ in range(2)]
        require(drawn[0] == drawn[1], "a seed decides what is drawn")


@rule("tokenizes", "generates", "logits")
def greedy_tokens_are_the_most_likely(case: Case) -> None:
    with case.engine() as engine:
        ids = case.ids(engine)
        tokens = [token for _, token in engine.generate([ids], _GENERATED, True, 0)]
        require(len(tokens) == _GENERATED, f"max_tokens tokens, not {len(tokens)}")
        rows = engine.logits([*ids, *tokens[:-1]], len(ids) - 1)
        chosen = rows[np.arange(_GENERATED), tokens]
        near(chosen, rows.max(axis=1), "greedy takes the most likely token")
