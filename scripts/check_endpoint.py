"""The same GGUF in llama.cpp and behind a server of it: are texts, choices and rates the same?

    uv run python scripts/check_endpoint.py MODEL.gguf [--serve PROGRAM] [--threads N] [--rounds N]

Asks both for greedy answers of `PROMPTS` prompts cut from the bundled prose, for the likelier of
two continuations of each, and for decode rates in turns, so that what slows the machine down slows
both. Prints what came of it; exits with 1 where a limit is missed. Rates want a machine that does
nothing else.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from grid.backend import token_scores
from grid.backend.registry import backend
from grid.cells.texts import read_text
from grid.results.statistics.quantiles import median_interval
from grid.testing import local_node

PROMPTS = 50
PROMPT_TOKENS = 24
ANSWER_TOKENS = 24
CHOICE_TOKENS = 2
DECODED_TOKENS = 64
DECODE_LIMIT = 0.05
CHOICE_LIMIT = 0.01
"""Nats by which a choice's log-probability may differ: two builds of a batch add up differently."""


Request = tuple[list[int], list[int], list[int]]


def prompts(engine: Any) -> list[Request]:
    """Prompts with two continuations of each: its own and that of another place. The text of each
    part is read as the same tokens, since a server may take text alone."""
    start = [] if engine.bos is None else [engine.bos]
    cut: list[tuple[list[int], list[int]]] = []
    for line in read_text("ref:prose").text.splitlines():
        ids = engine.encode(line)
        beginning, continuation = ids[:PROMPT_TOKENS], ids[PROMPT_TOKENS:][:CHOICE_TOKENS]
        if len(continuation) == CHOICE_TOKENS and reads_as(engine, beginning, continuation):
            cut.append((beginning, continuation))
    others = [continuation for _, continuation in cut]
    requests = []
    for place, (ids, true) in enumerate(cut):
        candidates = [*others[place + 1 :], *others[:place]]
        false = next(c for c in candidates if c != true and reads_as(engine, ids, c))
        requests.append(([*start, *ids], true, false))
    return requests[:PROMPTS]


def reads_as(engine: Any, ids: list[int], continuation: list[int]) -> bool:
    """Whether the text of the ids is read as these, with each part of the continuation."""
    wholes = [[*ids, *continuation[:end]] for end in range(len(continuation) + 1)]
    return all(
        engine.encode(engine.decode(whole).decode(errors="replace")) == whole for whole in wholes
    )


def answer(engine: Any, ids: list[int]) -> bytes:
    text: bytes = engine.decode(
        [token for _, token in engine.generate([ids], ANSWER_TOKENS, False, 0)]
    )
    return text


def log_probs(engine: Any, requests: list[Request]) -> list[float]:
    """Of both continuations of each prompt, one after the other."""
    pairs = [(ids, choice) for ids, *choices in requests for choice in choices]
    return [float(score.log_probs.sum()) for score in engine.score(pairs)]


def log_probs_alone(engine: Any, requests: list[Request]) -> list[float]:
    """The same from one evaluation each, as a server makes them: packed together with others the
    kernels of quantized weights add up otherwise."""
    sums = []
    for ids, *choices in requests:
        for choice in choices:
            rows = engine.logits([*ids, *choice[:-1]], len(ids) - 1)
            sums.append(float(token_scores(rows, choice).log_probs.sum()))
    return sums


def decode_seconds(engine: Any, ids: list[int]) -> float:
    """From the first token of an answer to its last."""
    times = [perf_counter() for _ in engine.generate([ids], DECODED_TOKENS + 1, True, 0)]
    return times[-1] - times[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--serve", default="llama-cpp-python")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=31)
    flags = parser.parse_args()
    node = local_node()
    llamacpp, openai = backend("llamacpp"), backend("openai")
    mine = llamacpp.options({"threads": flags.threads, "ubatch": 512}, node)
    theirs = openai.options({"threads": flags.threads, "serve": flags.serve}, node)
    with (
        llamacpp.load(flags.model, "cpu", mine) as linked,
        openai.load(flags.model, "cpu", theirs) as server,
    ):
        for engine in (linked, server):
            engine.resize(512)
        requests = prompts(linked)
        equal = sum(answer(linked, ids) == answer(server, ids) for ids, *_ in requests)
        rates: dict[str, list[float]] = {"linked": [], "served": []}
        turns = [("linked", linked), ("served", server)]
        for ids, *_ in (requests * flags.rounds)[: flags.rounds]:
            for name, engine in turns:
                rates[name].append(DECODED_TOKENS / decode_seconds(engine, ids))
            turns.reverse()
        first, second = log_probs_alone(linked, requests), log_probs(server, requests)
        packed = log_probs(linked, requests)
    noise = max(abs(a - b) for a, b in zip(first, packed, strict=True))
    print(f"llama.cpp's own scores, packed and alone, are {noise:.2g} nat apart at most")
    return report(len(requests), equal, rates, first, second)


def report(
    count: int, equal: int, rates: dict[str, list[float]], first: list[float], second: list[float]
) -> int:
    chosen = [
        [values[at] > values[at + 1] for at in range(0, len(values), 2)]
        for values in (first, second)
    ]
    same = sum(a == b for a, b in zip(*chosen, strict=True))
    apart = max(abs(a - b) for a, b in zip(first, second, strict=True))
    ratios = [b / a for a, b in zip(rates["linked"], rates["served"], strict=True)]
    ratio, interval = median(ratios), median_interval(ratios)
    middle = {name: median(values) for name, values in rates.items()}
    print(f"greedy answers equal: {equal} of {count}")
    print(f"choices equal: {same} of {count}, log-probabilities {apart:.2g} nat apart at most")
    print(
        f"decode: llama.cpp {middle['linked']:.4g} token/s, served {middle['served']:.4g}, "
        f"ratio {ratio:.3f} ({interval.low:.3f} to {interval.high:.3f}, median of {len(ratios)} "
        "pairs)"
    )
    holds = {
        f"{PROMPTS} prompts": count == PROMPTS,
        "texts": equal == count,
        "choices": same == count and apart <= CHOICE_LIMIT,
        "decode": abs(ratio - 1) <= DECODE_LIMIT,
    }
    missed = [name for name, held in holds.items() if not held]
    print(f"missed: {', '.join(missed)}" if missed else "all hold")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
