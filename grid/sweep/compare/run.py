"""Run one request through each choice, one engine at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from grid.cells.cell import Cell
from grid.engine import messages as wire
from grid.engine.environments import find_interpreter
from grid.engine.process import EngineProcess
from grid.errors import EngineError, InputError
from grid.hardware.node import Node
from grid.hardware.probe import probe_node
from grid.plan.sources import WHOLE
from grid.sweep.artifacts.store import Shelf
from grid.sweep.compare.choice import Choice, Unusable
from grid.sweep.compare.first_difference import text_of, token_of, with_difference
from grid.sweep.compare.nouns import Comparison, Output
from grid.sweep.events import Event, Preparing, Settings

OnProgress = Callable[[str, str], None]
"""Hears a variant's label, and what is being done for it."""


def compare(
    choices: Sequence[Choice | Unusable],
    prompt: str,
    tokens: int,
    settings: Settings,
    node: Node | None = None,
    tell: OnProgress = lambda label, line: None,
) -> Comparison:
    """What each goes on with after the prompt, and where it parts from its model's 16 bits; where
    those are not among them, from the first of its model that ran; with one of a model only, from
    the first of all.

    Never two models in memory at once. A variant that cannot be made, loaded or run is an output
    with its reason. Raises InputError where there is nothing to compare.
    """
    if not choices:
        raise InputError("there is nothing to compare")
    node = node or probe_node()
    shelf = Shelf(node, settings)
    outputs: list[Output] = []
    raw: dict[int, wire.Continued] = {}
    try:
        for index, choice in enumerate(choices):
            if isinstance(choice, Unusable):
                outputs.append(_unusable(choice))
                continue
            output, continuation = _output(shelf, choice, prompt, tokens, settings, node, tell)
            outputs.append(output)
            if continuation is not None:
                raw[index] = continuation
    finally:
        shelf.close()
    return Comparison(prompt=prompt, tokens=tokens, outputs=tuple(_with_differences(outputs, raw)))


def _output(
    shelf: Shelf,
    choice: Choice,
    prompt: str,
    tokens: int,
    settings: Settings,
    node: Node,
    tell: OnProgress,
) -> tuple[Output, wire.Continued | None]:
    cell = choice.cell
    artifact = cell.artifact
    base = Output(
        label=artifact.label,
        model=artifact.model.name,
        quant=artifact.quant,
        backend=cell.backend,
        artifact_id=artifact.id,
        note=choice.note,
    )
    try:
        _ensure_artifact(shelf, cell, node, lambda line: tell(artifact.label, line))
        tell(artifact.label, "runs")
        continuation = _continue_prompt(shelf, cell, prompt, tokens, settings)
    except EngineError as error:
        return replace(base, status=error.status, reason=str(error)), None
    finally:
        shelf.done()
    return _with_continuation(base, continuation, tokens), continuation


def _ensure_artifact(shelf: Shelf, cell: Cell, node: Node, say: Callable[[str], None]) -> None:
    """Find, fetch or make the artifact. Raises EngineError."""
    artifact = cell.artifact
    if artifact.backend and not shelf.path(artifact).exists():
        if find_interpreter(artifact.backend, node) is None:
            raise EngineError(
                f"it is made by {artifact.backend}, whose environment is not made here; "
                f"`grid backends install {artifact.backend}`"
            )
        say("is being made")
    for event in shelf.artifact(artifact):
        if line := _line(event):
            say(line)


def _line(event: Event) -> str:
    return f"{event.what}: {event.line}" if isinstance(event, Preparing) else ""


def _continue_prompt(
    shelf: Shelf, cell: Cell, prompt: str, tokens: int, settings: Settings
) -> wire.Continued:
    interpreter = shelf.interpreter(cell.backend)
    load = wire.Load(
        backend=cell.backend,
        path=str(shelf.path(cell.artifact)),
        device=shelf.device(cell.backend),
        options=cell.options,
        memory_limit=settings.memory_limit,
    )
    go_on = wire.Continue(
        prompt=prompt, tokens=tokens, context_length=cell.artifact.model.context_length
    )
    with EngineProcess(interpreter.python, interpreter.imports) as process:
        process.ask(load, settings.cell_timeout_s)
        reply = process.ask(go_on, settings.cell_timeout_s)
    assert isinstance(reply, wire.Continued)
    return reply


def _with_continuation(base: Output, continuation: wire.Continued, limit: int) -> Output:
    times = continuation.times_s
    spell_s = times[-1] - times[0] if len(times) > 1 else 0.0
    return replace(
        base,
        prompt_tokens=len(continuation.prompt),
        tokens=tuple(map(token_of, continuation.tokens, continuation.spelling)),
        text=text_of(continuation.spelling),
        ended=len(continuation.tokens) < limit,
        ttft_s=times[0] if times else None,
        decode_tps=(len(times) - 1) / spell_s if spell_s > 0 else None,
    )


def _with_differences(outputs: Sequence[Output], raw: dict[int, wire.Continued]) -> list[Output]:
    """The outputs, each with where it parts from its reference."""
    compared = []
    for index, output in enumerate(outputs):
        at = _reference(outputs, raw, output.model) if index in raw else None
        if at is None:
            compared.append(output)
        elif at == index:
            compared.append(replace(output, is_reference=True))
        else:
            compared.append(with_difference(output, raw[index], raw[at]))
    return compared


def _reference(outputs: Sequence[Output], raw: dict[int, wire.Continued], model: str) -> int | None:
    mine = [index for index in raw if outputs[index].model == model]
    candidates = mine if len(mine) > 1 else list(raw)
    whole = [index for index in candidates if outputs[index].quant in WHOLE]
    return next(iter(whole or candidates), None)


def _unusable(choice: Unusable) -> Output:
    fields = choice._asdict()
    return Output(**fields, status="unsupported")
