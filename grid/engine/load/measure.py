"""Measures a load against an endpoint: what a server is like first, then the load itself."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

from grid.backend import Engine, Tokenizes
from grid.backend.endpoint import Endpoint, HasEndpoint
from grid.cells.load import ServerLoad
from grid.cells.texts import read_text
from grid.engine.load.generator import HopelessLoad, LoadRun, Target
from grid.engine.load.probe import ServerFacts, open_client, probe
from grid.engine.load.prompts import PromptLine, TextOf, read_prompts, requests_of, words_text
from grid.engine.load.raw_results import raw_results
from grid.engine.load.search import search
from grid.engine.measure.meter import Meter
from grid.engine.measure.prompts import prose
from grid.engine.measure.result import WorkloadResult, need
from grid.errors import EngineError, InputError

OnProgress = Callable[[int, int, str], None]


def load(engine: Engine, workload: ServerLoad, meter: Meter) -> WorkloadResult:
    """A load against the endpoint of an engine, with prompts of its own tokenizer's length where it
    has one. Raises Unsupported where it has no endpoint, EngineError where that does not answer."""
    endpoint = need(engine, HasEndpoint).endpoint()
    text_of = None
    if isinstance(engine, Tokenizes):
        text_of = token_text(engine)
    with meter.engine():
        return measure_endpoint(endpoint, workload, meter.progress, text_of)


def measure_endpoint(
    endpoint: Endpoint,
    workload: ServerLoad,
    on_progress: OnProgress | None = None,
    text_of: TextOf | None = None,
) -> WorkloadResult:
    """A load against an endpoint that runs. `text_of` makes prose of so many tokens; without it the
    server's own count of two prompts says how long a word is."""
    return asyncio.run(_measure(endpoint, workload, on_progress, text_of))


async def _measure(
    endpoint: Endpoint, workload: ServerLoad, on_progress: OnProgress | None, text_of: TextOf | None
) -> WorkloadResult:
    lines = _prompt_lines(workload)
    client = open_client(endpoint)
    try:
        facts = await probe(client, endpoint, workload)
        make_text = text_of or words_text(facts.tokens_per_word)
        target = Target(client, endpoint.model, facts.features)

        def run_of(part: ServerLoad) -> LoadRun:
            return LoadRun(target, part, requests_of(part, make_text, lines), on_progress)

        try:
            if workload.search:
                result = await search(workload, run_of, 1 / facts.request_s)
            else:
                result = raw_results(await run_of(workload).run(), workload)
        except* HopelessLoad as group:
            reason = str(group.exceptions[0])
            raise EngineError(f"{endpoint.url}: no request was answered: {reason}") from None
        return _with_facts(result, facts, workload, text_of)
    finally:
        client.close()


def _with_facts(
    result: WorkloadResult, facts: ServerFacts, workload: ServerLoad, text_of: TextOf | None
) -> WorkloadResult:
    """The result with how its prompts were made and what the server took."""
    environment = {"ignore_eos": "sent" if facts.features.ignore_eos else "refused by the server"}
    if text_of is None and not workload.prompts_sha256:
        how = "by its own count" if facts.counts_prompts else "estimated: it counts no prompts"
        environment["prompt_length"] = f"{facts.tokens_per_word:.2f} tokens a word, {how}"
    return WorkloadResult(
        scalars=result.scalars,
        series=result.series,
        environment={**environment, **result.environment},
    )


def _prompt_lines(workload: ServerLoad) -> list[PromptLine]:
    if not workload.prompts_sha256:
        return []
    text = read_text(workload.prompts)
    if hashlib.sha256(text.text.encode()).hexdigest() != workload.prompts_sha256:
        raise InputError(f"{Path(workload.prompts).name} is not the file that the plan read")
    return read_prompts(text.text, Path(workload.prompts).name)


def token_text(tokenizer: Tokenizes) -> TextOf:
    """Prose of so many of a tokenizer's tokens."""
    ids = tokenizer.encode(prose())

    def text_of(tokens: int, start: int) -> str:
        part = [ids[(start + place) % len(ids)] for place in range(tokens)]
        return tokenizer.decode(part).decode(errors="ignore")

    return text_of
