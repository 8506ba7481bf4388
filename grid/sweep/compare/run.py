"""Run one request through each choice, one engine at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from grid.cells.cell import Cell
from grid.engine import messages as wire
from grid.engine.environments import found
from grid.engine.process import EngineProcess
from grid.errors import EngineError, InputError
from grid.hardware.node import Node
from grid.hardware.probe import probe_node
from grid.plan.sources import WHOLE
from grid.sweep.artifacts.store import Shelf
from grid.sweep.compare.choice import Choice, Unusable
from grid.sweep.compare.first_difference import parted, text_of, token_of
from grid.sweep.compare.nouns import Comparison, Output
from grid.sweep.events import Event, Preparing, Settings

Tell = Callable[[str, str], None]
"""Hears a variant's label, and what is being done for it."""


def compare(
    choices: Sequence[Choice | Unusable],
    prompt: str,
    tokens: int,
    settings: Settings,
    node: Node | None = None,
    tell: Tell = lambda label, line: None,
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
            output, one = _output(shelf, choice, prompt, tokens, settings, node, tell)
            outputs.append(output)
            if one is not None:
                raw[index] = one
    finally:
        shelf.close()
    return Comparison(prompt=prompt, tokens=tokens, outputs=tuple(_told(outputs, raw)))


def _output(
    shelf: Shelf,
    choice: Choice,
    prompt: str,
    tokens: int,
    settings: Settings,
    node: Node,
    tell: Tell,
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
        _have(shelf, cell, node, lambda line: tell(artifact.label, line))
        tell(artifact.label, "runs")
        one = _continued(shelf, cell, prompt, tokens, settings)
    except EngineError as error:
        return replace(base, status=error.status, reason=str(error)), None
    finally:
        shelf.done()
    return _filled(base, one, tokens), one


def _have(shelf: Shelf, cell: Cell, node: Node, say: Callable[[str], None]) -> None:
    """Find, fetch or make the artifact. Raises EngineError."""
    artifact = cell.artifact
    if artifact.backend and not shelf.path(artifact).exists():
        if found(artifact.backend, node) is None:
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


def _continued(
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


def _filled(base: Output, one: wire.Continued, asked: int) -> Output:
    times = one.times_s
    spell_s = times[-1] - times[0] if len(times) > 1 else 0.0
    return replace(
        base,
        prompt_tokens=len(one.prompt),
        tokens=tuple(map(token_of, one.tokens, one.spelling)),
        text=text_of(one.spelling),
        ended=len(one.tokens) < asked,
        ttft_s=times[0] if times else None,
        decode_tps=(len(times) - 1) / spell_s if spell_s > 0 else None,
    )


def _told(outputs: Sequence[Output], raw: dict[int, wire.Continued]) -> list[Output]:
    """The outputs, each with where it parts from its reference."""
    told = []
    for index, output in enumerate(outputs):
        at = _reference(outputs, raw, output.model) if index in raw else None
        if at is None:
            told.append(output)
        elif at == index:
            told.append(replace(output, is_reference=True))
        else:
            told.append(parted(output, raw[index], raw[at]))
    return told


def _reference(outputs: Sequence[Output], raw: dict[int, wire.Continued], model: str) -> int | None:
    mine = [index for index in raw if outputs[index].model == model]
    known = mine if len(mine) > 1 else list(raw)
    whole = [index for index in known if outputs[index].quant in WHOLE]
    return next(iter(whole or known), None)


def _unusable(choice: Unusable) -> Output:
    fields = choice._asdict()
    return Output(**fields, status="unsupported")
