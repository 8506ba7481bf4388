"""Continues a text by the model's likeliest token, again and again."""

from __future__ import annotations

from time import perf_counter

from grid.backend import Engine, Generates
from grid.cells.items import Message
from grid.engine import messages
from grid.engine.measure.conversation import PromptText, PromptTokenizer
from grid.engine.measure.meter import Meter
from grid.engine.measure.model_facts import UNKNOWN, ModelFacts
from grid.engine.measure.result import need
from grid.errors import Unsupported


def continuation(
    engine: Engine, request: messages.Continue, meter: Meter, model: ModelFacts = UNKNOWN
) -> messages.Continued:
    """At most `request.tokens` tokens, fewer where the model ends the text.

    Nothing is drawn by chance, so the same call gives the same result. Raises Unsupported for a
    text without a token, or one that does not fit the model's context with what is to come.
    """
    generator, tokenizer = need(engine, Generates), PromptTokenizer(engine)
    prompt = _prompt(tokenizer, request, model)
    ids = tokenizer.ids(prompt)
    if not ids:
        raise Unsupported("the prompt comes to no token")
    total = len(ids) + request.tokens
    if 0 < request.context_length < total:
        raise Unsupported(
            f"{len(ids)} tokens of prompt and {request.tokens} more do not fit the model's context "
            f"of {request.context_length}"
        )
    tokens: list[int] = []
    times: list[float] = []
    with meter.engine():
        engine.resize(total)
        start = perf_counter()
        for _, token in generator.generate([ids], request.tokens, ignore_eos=False, seed=0):
            tokens.append(int(token))
            times.append(perf_counter() - start)
    return messages.Continued(
        prompt=tuple(ids),
        tokens=tuple(tokens),
        spelling=tuple(tokenizer.plain.decode([token]) for token in tokens),
        times_s=tuple(times),
        engine_s=meter.engine_s,
        templated=prompt.contents is not None,
    )


def _prompt(
    tokenizer: PromptTokenizer, request: messages.Continue, model: ModelFacts
) -> PromptText:
    """The text as it is, or as a user's message where that is asked and the model has a template.
    An engine that reads no special tokens gets it as it is."""
    template = None
    if request.chat == "auto" and tokenizer.reads_special_tokens:
        template = model.find_chat_template()
    if template is None:
        return PromptText(request.prompt)
    return tokenizer.render(template, (Message("user", request.prompt),))
