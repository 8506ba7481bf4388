"""Pick -> command: the lines that run it with the context, cache and placement assumed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grid.advice.advice import Candidate
from grid.advice.ask import Ask
from grid.advice.hardware import Machine, class_facts
from grid.advice.replay import telling_attempt
from grid.advice.weights_place import WeightsPlace, weights_place
from grid.analysis import Variant
from grid.analysis.dataset import Dataset
from grid.cells.serving import ServeCommand, ServeRequest
from grid.errors import InputError, Unsupported
from grid.models.artifact import Artifact
from grid.models.model import Model


@dataclass(frozen=True)
class Serving:
    """How a pick is run: its weights, and the commands, the usual one first. `assumed` says in
    words what they set; `why_not` why there are none, empty where there are."""

    weights: WeightsPlace
    commands: tuple[ServeCommand, ...]
    assumed: str
    why_not: str = ""

    def command(self, program: str | None) -> ServeCommand | None:
        """By the program's name or its beginning; the first where none is named, None where there
        is no such one."""
        wanted = (program or "").lower()
        named = (command for command in self.commands if command.program.startswith(wanted))
        return next(named, None)

    def script(self, command: ServeCommand) -> str:
        """The lines that bring the weights, where they are not here, and run them."""
        return "\n".join([*self.weights.obtain, command.text()])

    def remarks(self, command: ServeCommand) -> list[str]:
        """What to know of a command, a line each: the weights, its own notes, its address."""
        url = [f"it answers at {command.url}, as OpenAI's API does"] if command.url else []
        return [f"weights: {self.weights.how}", *command.notes, *url]

    def other_programs(self, command: ServeCommand) -> list[str]:
        """Names of the further ways to run the pick."""
        return [way.program for way in self.commands if way is not command]


def serving_of(
    dataset: Dataset, machine: Machine, ask: Ask, pick: Candidate | None
) -> Serving | None:
    """How the pick is run on the machine; None without a pick."""
    attempt = None if pick is None else telling_attempt(pick)
    if pick is None or attempt is None:
        return None
    row = dataset.attempt_row(attempt)
    place = weights_place(row, dataset.display_name)
    request = _request(row, machine, ask, pick)
    try:
        commands = commands_for(pick.variant, _artifact(row, place), request)
    except (InputError, Unsupported) as error:
        return Serving(place, (), _assumed(request), str(error))
    return Serving(place, commands, _assumed(request))


def commands_for(
    variant: Variant, artifact: Artifact, request: ServeRequest
) -> tuple[ServeCommand, ...]:
    """As the backend that measured it says. Raises Unsupported and InputError with the reason."""
    from grid.backend import Serves  # a plugin's declaration, which imports no engine
    from grid.backend.registry import backend

    name = _backend_name(variant)
    plugin = backend(name)
    if not isinstance(plugin, Serves):
        raise Unsupported(f"the backend {name} says no command that runs it")
    return tuple(plugin.serve_command(artifact, request))


def _backend_name(variant: Variant) -> str:
    """The variant's own; of figures by others the one that is called alike, else one that reads the
    format."""
    from grid.backend import Serves
    from grid.backend.registry import backend, names

    def plain(name: str) -> str:
        return "".join(filter(str.isalnum, name.lower()))

    if variant.backend in names():
        return variant.backend
    alike = [name for name in names() if plain(name) == plain(variant.backend)]
    readers = (name for name in names() if variant.format and _reads(backend(name), variant.format))
    able = (name for name in readers if isinstance(backend(name), Serves))
    return next(iter(alike), None) or next(able, variant.backend)


def _reads(plugin: Any, form: str) -> bool:
    return form in plugin.formats


def _request(row: Mapping[str, Any], machine: Machine, ask: Ask, pick: Candidate) -> ServeRequest:
    same = row["hardware_class"] == machine.class_name
    kind = str(row["device_kind"] or "") if same else machine.platform
    return ServeRequest(
        context=pick.context,
        sessions=ask.sessions,
        kv_type=ask.kv_type,
        kv_bytes=round(pick.kv_bytes or 0),
        platform=kind.partition("-")[0],
        cards=_cards(machine),
        device_share=_device_share(machine, ask),
        gpu_layers=None if pick.split is None else pick.split.placement.gpu_layers,
        cpu_expert_layers=0 if pick.split is None else pick.split.placement.cpu_expert_layers,
        options=json.loads(pick.variant.options or "{}"),
        same_hardware=same,
    )


def _cards(machine: Machine) -> int:
    """How many accelerators share the model, at least 1."""
    facts = class_facts(machine.name)
    chips = machine.chip.count if machine.chip else 1
    return max(1, facts.cards if facts else chips)


def _device_share(machine: Machine, ask: Ask) -> float | None:
    """The part of the cards' memory that models can have; None where it is not known."""
    facts = class_facts(machine.name)
    memory = ask.memory_bytes or (machine.chip.memory_bytes if machine.chip else None)
    if facts is not None and facts.card_bytes is not None:
        memory = ask.memory_bytes or facts.cards * facts.card_bytes
    if not memory or machine.budget_bytes is None:
        return None
    return min(1.0, machine.budget_bytes / memory)


def _artifact(row: Mapping[str, Any], place: WeightsPlace) -> Artifact:
    """The artifact as far as a row tells of it."""
    model = Model(
        name=row["model"] or "",
        family=row["family"] or "",
        source=row["model_source"] or "",
        revision=row["model_revision"] or "",
        architecture="",
        parameters=row["parameters"] or 0,
        context_length=row["context_length"] or 0,
        vocabulary=0,
    )
    return Artifact(
        model=model, format=row["format"] or "", quant=row["quant"] or "", path=place.path
    )


def _assumed(request: ServeRequest) -> str:
    """`4,096 tokens of context, KV cache of f16, 2 sessions`."""
    parts = [f"{request.context:,} tokens of context", f"KV cache of {request.kv_type}"]
    if request.sessions > 1:
        parts.append(f"{request.sessions} sessions")
    if request.gpu_layers is not None and request.gpu_layers >= 0:
        parts.append(f"{request.gpu_layers} layers on the accelerator")
    if request.cpu_expert_layers:
        parts.append(f"experts of {request.cpu_expert_layers} layers in main memory")
    return ", ".join(parts)
