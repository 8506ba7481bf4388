"""What a server is like before a load: whether it answers, what it takes, how it counts."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import msgspec

from grid.backend.endpoint import Endpoint
from grid.cells.load import ServerLoad
from grid.engine.load.completion import (
    CompletionRequest,
    Features,
    Result,
    body_of,
    decode_whole,
    error_of,
    path_of,
    read_result,
)
from grid.engine.load.http_stream import HttpAnswer, HttpClient, parse_address
from grid.engine.load.prompts import words_text
from grid.errors import EngineError, InputError

TRIES = 3
"""Times that a server which says "later" (429, 503) is asked before a load."""

WAIT_S = 2.0
"""Seconds between them."""

PROBE_TOKENS = 8
"""Tokens of the answers by which a server is known."""

TOKENS_PER_WORD = 1.35
"""Of English prose, where a server counts nothing."""

_WORDS = (16, 96)
"""Words of the two prompts whose difference says how many tokens a word has."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """`features` are what requests carry, `tokens_per_word` how its tokenizer cuts prose
    (`counts_prompts`: by its own count), `request_s` how long a short request takes."""

    features: Features
    tokens_per_word: float
    counts_prompts: bool
    request_s: float


def open_client(endpoint: Endpoint) -> HttpClient:
    """A client of the endpoint, with its key. Raises InputError where the address is none, or the
    variable of the key is not set; the key is in no message."""
    headers, key = {}, ""
    name = endpoint.key_variable
    if name:
        key = os.environ.get(name, "").strip()
        if not key:
            raise InputError(f"the environment variable {name} holds no key; set it")
        headers["Authorization"] = f"Bearer {key}"
    try:
        return HttpClient(parse_address(endpoint.url), headers, key)
    except ValueError:
        raise InputError(f"the key in {name} has a line break in it") from None


async def probe(client: HttpClient, endpoint: Endpoint, load: ServerLoad) -> ServerFacts:
    """Try a short request, and again without what the server refuses. Raises EngineError in one
    line where it does not answer as such a server does."""
    short = _request(load, _WORDS[0])
    features, result = Features(), Result()
    for features in (
        Features(),
        Features(ignore_eos=False),
        Features(usage=False),
        Features(ignore_eos=False, usage=False),
    ):
        answer = await _patient(client, body_of(short, endpoint.model, features), short, load)
        result = read_result(answer, short, features)
        if answer.status not in (400, 422):
            break
    if result.error:
        raise EngineError(f"{endpoint.url}: {result.error}{_hint(result.error, endpoint)}")
    prompts, pieces = [], len(result.token_times)
    for words in _WORDS:
        request = _request(load, words)
        body = body_of(request, endpoint.model, features, stream=False)
        answer = await client.request(path_of(request), body, load.timeout_s)
        usage = _usage(answer)
        prompts.append(usage[0])
        if words == _WORDS[0] and usage[1] == pieces:
            features = msgspec.structs.replace(features, chunks_are_tokens=True)
    counted = 0 < prompts[0] < prompts[1]
    per_word = (prompts[1] - prompts[0]) / (_WORDS[1] - _WORDS[0]) if counted else TOKENS_PER_WORD
    times = [await _time_once(client, endpoint, short, features, load) for _ in range(3)]
    return ServerFacts(features, per_word, counted, median(times))


async def _time_once(
    client: HttpClient,
    endpoint: Endpoint,
    request: CompletionRequest,
    features: Features,
    load: ServerLoad,
) -> float:
    start = perf_counter()
    body = body_of(request, endpoint.model, features)
    await client.request(path_of(request), body, load.timeout_s)
    return perf_counter() - start


def _request(load: ServerLoad, words: int) -> CompletionRequest:
    text = words_text(1.0)(words, 7 * words)
    return CompletionRequest(
        ({"role": "user", "content": text},) if load.chat else text, PROBE_TOKENS
    )


async def _patient(
    client: HttpClient, body: bytes, request: CompletionRequest, load: ServerLoad
) -> HttpAnswer:
    answer = HttpAnswer()
    for attempt in range(TRIES):
        if attempt:
            await asyncio.sleep(WAIT_S)
        answer = await client.request(path_of(request), body, load.timeout_s)
        if answer.status not in (429, 503):
            break
    return answer


def _usage(answer: HttpAnswer) -> tuple[int, int]:
    """Tokens of prompt and answer as the server counts them; 0 where it does not."""
    if error_of(answer):
        return 0, 0
    try:
        usage = decode_whole(answer.body).usage
    except (msgspec.DecodeError, UnicodeError):
        return 0, 0
    return (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)


def _hint(error: str, endpoint: Endpoint) -> str:
    if error.startswith(("HTTP 401", "HTTP 403")):
        named = endpoint.key_variable
        where = f"the key in {named} is refused" if named else "it wants a key: --key-variable NAME"
        return f"; {where}"
    if error.startswith("HTTP 404"):
        return f"; is {endpoint.model!r} a model that it serves?"
    if error.startswith("HTTP 429"):
        return f"; {TRIES} requests one after the other were refused"
    if error == "connection refused":
        return "; is the server running?"
    return ""
