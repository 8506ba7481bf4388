"""The same GGUF in llama.cpp and behind a server of it: are texts, choices and rates the same?

    uv run python scripts/check_endpoint.py MODEL.gguf [--serve PROGRAM] [--threads N] [--rounds N]

Asks both for greedy answers of `PROMPTS` prompts cut from the bundled prose, for the likelier of two
continuations of each, and for decode rates in turns, so that what slows the machine down slows both.
Prints each figure beside its limit; exits with 1 where one is missed. Rates want a machine that does
nothing else.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from grid.backend.registry import backend
from grid.cells.texts import read_text
from grid.testing import local_node

PROMPTS = 50
PROMPT_TOKENS = 24
ANSWER_TOKENS = 24
CHOICE_TOKENS = 2
DECODED_TOKENS = 64
DECODE_LIMIT = 0.05
CHOICE_LIMIT = 0.01
"""Nats by which a choice's log-probability may differ: two builds of a batch add up differently."""


def prompts(engine: Any) -> list[tuple[list[int], list[int], list[int]]]:
    """Prompts with two continuations of each: its own and that of another place. All begin at a
    line's beginning, and their texts are read as the same tokens wherever they are cut."""
    lines = [line for line in read_text("ref:prose").text.splitlines() if len(line) > 160]
    start = [] if engine.bos is None else [engine.bos]
    cut = []
    for line in lines:
        ids = engine.encode(line)
        length = PROMPT_TOKENS + CHOICE_TOKENS
        ends = range(PROMPT_TOKENS, length + 1)
        if len(ids) >= length and all(
            engine.encode(engine.decode(ids[:end]).decode(errors="replace")) == ids[:end]
            for end in ends
        ):
            cut.append(([*start, *ids[:PROMPT_TOKENS]], ids[PROMPT_TOKENS:length]))
        if len(cut) == PROMPTS:
            break
    return [(ids, true, cut[(place + 1) % len(cut)][1]) for place, (ids, true) in enumerate(cut)]


def answer(engine: Any, ids: list[int]) -> bytes:
    text: bytes = engine.decode(
        [token for _, token in engine.generate([ids], ANSWER_TOKENS, False, 0)]
    )
    return text


def log_probs(engine: Any, requests: list[tuple[list[int], list[int], list[int]]]) -> list[float]:
    """Of both continuations of each prompt, one after the other."""
    pairs = [(ids, choice) for ids, *choices in requests for choice in choices]
    return [float(score.log_probs.sum()) for score in engine.score(pairs)]


def decode_seconds(engine: Any, ids: list[int]) -> float:
    """From the first token of an answer to its last."""
    times = [perf_counter() for _ in engine.generate([ids], DECODED_TOKENS + 1, True, 0)]
    return times[-1] - times[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--serve", default="llama-cpp-python")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    flags = parser.parse_args()
    node = local_node()
    linked, served = backend("llamacpp"), backend("openai")
    mine = linked.options({"threads": flags.threads, "ubatch": 512}, node)
    theirs = served.options({"threads": flags.threads, "serve": flags.serve}, node)
    with (
        linked.load(flags.model, "cpu", mine) as here,
        served.load(flags.model, "cpu", theirs) as there,
    ):
        for engine in (here, there):
            engine.resize(512)
        requests = prompts(here)
        equal = sum(answer(here, ids) == answer(there, ids) for ids, *_ in requests)
        rates: dict[str, list[float]] = {"here": [], "there": []}
        for ids, *_ in (requests * flags.rounds)[: flags.rounds]:
            rates["here"].append(DECODED_TOKENS / decode_seconds(here, ids))
            rates["there"].append(DECODED_TOKENS / decode_seconds(there, ids))
        first, second = log_probs(here, requests), log_probs(there, requests)
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
    ratio = median(b / a for a, b in zip(rates["here"], rates["there"], strict=True))
    middle = {name: median(values) for name, values in rates.items()}
    print(f"greedy answers equal: {equal} of {count}")
    print(f"choices equal: {same} of {count}, log-probabilities {apart:.2g} nat apart at most")
    print(
        f"decode: llama.cpp {middle['here']:.4g} token/s, served {middle['there']:.4g}, "
        f"ratio {ratio:.3f} (median of {len(rates['here'])} pairs)"
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
