"""The command that runs a public model at a preset, once its file is there."""

from __future__ import annotations

from grid.advice.ask import Ask
from grid.advice.for_model.target import find_target
from grid.advice.making import making_lines
from grid.advice.public_figures.offers import MemoryQuestion, ModelOffer
from grid.advice.serving import commands_for
from grid.cells.serving import ServeRequest
from grid.errors import GridError
from grid.models.artifact import Artifact
from grid.models.model import Model


def run_lines(offer: ModelOffer, question: MemoryQuestion, ask: Ask, platform: str) -> str:
    """Lines for a shell: of the program that `--serve` names, else the usual one. Empty where no
    installed backend says any."""
    shape = offer.model
    model = Model(
        name=shape.name,
        family=shape.name,
        source=shape.repository,
        revision="",
        architecture="",
        parameters=shape.parameters,
        context_length=shape.context_length,
        vocabulary=0,
    )
    artifact = Artifact(model=model, format="gguf", quant=offer.preset, path=_file(offer))
    request = ServeRequest(
        context=question.context,
        sessions=question.sessions,
        kv_type=question.kv_type,
        kv_bytes=offer.kv,
        platform=platform,
        same_hardware=False,
    )
    try:
        commands = commands_for(find_target(shape.name, offer.preset).variant, artifact, request)
    except GridError:
        return ""
    wanted = (ask.serve or "").lower()
    named = [command for command in commands if command.program.startswith(wanted)]
    return (named or commands)[0].text() if commands else ""


def make_lines(offer: ModelOffer) -> str:
    """Lines for a shell that make the file of the model's own weights with llama.cpp's tools."""
    shape = offer.model
    if not shape.repository:
        return ""
    return "\n".join(making_lines(shape.repository, shape.name, offer.preset, _file(offer)))


def _file(offer: ModelOffer) -> str:
    return f"{offer.model.name}-{offer.preset}.gguf"
