"""Prompts of a load: prose of so many tokens, or those of a JSONL file; and when they are due."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

import msgspec

from grid.cells.load import CUT, Lengths, ServerLoad
from grid.engine.load.completion import CompletionRequest
from grid.engine.measure.prompts import prose
from grid.errors import InputError

TextOf = Callable[[int, int], str]
"""Prose of so many tokens that begins at a place of the text (a token or a word)."""


class PromptLine(msgspec.Struct, frozen=True):
    """A line of a file of prompts: `prompt`, or `messages` of a chat, and where it says so the
    tokens of its answer."""

    prompt: str = ""
    messages: tuple[dict[str, str], ...] = ()
    output_tokens: int = 0


def read_prompts(content: str, file: str) -> list[PromptLine]:
    """The prompts of a JSONL file. Raises InputError with the line that is none."""
    prompts = []
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            prompt = msgspec.json.decode(line, type=PromptLine)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise InputError(f"{file}: line {number}: {error}") from None
        if bool(prompt.prompt) == bool(prompt.messages) or prompt.output_tokens < 0:
            raise InputError(f"{file}: line {number}: give either prompt or messages")
        prompts.append(prompt)
    if not prompts:
        raise InputError(f"{file}: no prompts in it")
    return prompts


def draw(lengths: Lengths, stream: random.Random) -> int:
    """A length in tokens."""
    if lengths.median:
        deviation = max(-CUT, min(CUT, stream.gauss(0.0, 1.0)))
        drawn = round(lengths.median * math.exp(deviation * lengths.sigma))
        return max(lengths.low, min(lengths.high, drawn))
    return stream.randint(lengths.low, lengths.high)


def requests_of(
    workload: ServerLoad, text_of: TextOf, lines: list[PromptLine]
) -> Iterator[CompletionRequest]:
    """Requests without end, the same for the same seed. Each drawn prompt begins elsewhere in the
    prose, so that a server's cache of prefixes finds nothing but the shared one."""
    stream = random.Random(f"prompts {workload.seed}")
    shared = text_of(workload.shared_prefix, 0) if workload.shared_prefix else ""
    while True:
        if lines:
            yield _of_line(stream.choice(lines), workload, shared, stream)
            continue
        tokens = draw(workload.prompt, stream)
        text = text_of(tokens, stream.randrange(1, 2**20))
        prompt = f"{shared} {text}" if shared else text
        yield CompletionRequest(_as_sent(prompt, workload), draw(workload.output, stream))


def _of_line(
    line: PromptLine, workload: ServerLoad, shared: str, stream: random.Random
) -> CompletionRequest:
    tokens = line.output_tokens or draw(workload.output, stream)
    if line.prompt:
        prompt = f"{shared} {line.prompt}" if shared else line.prompt
        return CompletionRequest(_as_sent(prompt, workload), tokens)
    prefix = ({"role": "system", "content": shared},) if shared else ()
    return CompletionRequest((*prefix, *line.messages), tokens)


def _as_sent(prompt: str, workload: ServerLoad) -> str | tuple[dict[str, str], ...]:
    return ({"role": "user", "content": prompt},) if workload.chat else prompt


def words_text(tokens_per_word: float) -> TextOf:
    """Prose by words, for a server whose tokenizer is not at hand."""
    words = prose().split()

    def text_of(tokens: int, start: int) -> str:
        count = max(1, round(tokens / tokens_per_word))
        return " ".join(words[(start + place) % len(words)] for place in range(count))

    return text_of


def arrival_times(workload: ServerLoad, rate: float, until_s: float, count: int) -> Iterator[float]:
    """Seconds from the start at which requests are due: `count` of them, or with 0 those before
    `until_s`. Constant gaps of 1 / rate, or exponential ones of that mean (a Poisson process)."""
    stream = random.Random(f"arrivals {workload.seed} {rate}")
    is_poisson = workload.arrivals == "poisson"
    time_s, sent = 0.0, 0
    while sent < count if count else time_s < until_s:
        yield time_s
        sent += 1
        time_s = time_s + stream.expovariate(rate) if is_poisson else sent / rate
