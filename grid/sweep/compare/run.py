"""Run one request through each choice, one engine at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from grid.cells.cell import Cell
from grid.engine import messages
from grid.engine.closable import Closable
from grid.engine.environments import find_interpreter
from grid.engine.process import EngineProcess
from grid.errors import EngineError, InputError
from grid.hardware.node import Node
from grid.hardware.probe import probe_node
from grid.models.artifact import Artifact
from grid.plan.quantizers import WHOLE
from grid.sweep.artifacts.store import ArtifactStore
from grid.sweep.compare.choice import Choice, Unusable
from grid.sweep.compare.comparison import Comparison, Output
from grid.sweep.compare.first_difference import text_of, token_of, with_difference
from grid.sweep.events import Preparing, Settings

OnProgress = Callable[[str, str], None]
"""Takes a variant's label, and what is being done for it."""
OnOutput = Callable[[int, Output], None]
"""Takes a choice's place and its output, without where it differs from another."""


def compare(
    choices: Sequence[Choice | Unusable],
    prompt: str,
    tokens: int,
    settings: Settings,
    node: Node | None = None,
    on_progress: OnProgress = lambda label, line: None,
    plain: bool = False,
) -> Comparison:
    """What each goes on with after the prompt, and where it parts from its model's 16 bits; where
    those are not among them, from the first of its model that ran; with one of a model only, from
    the first of all.

    The prompt goes through the chat template of a model that has one, unless `plain`. Never two
    models in memory at once. A variant that cannot be made, loaded or run is an output with its
    reason. Raises InputError where there is nothing to compare.
    """
    with RequestRunner(settings, node or probe_node(), on_progress) as runner:
        return runner.compare(choices, prompt, tokens, plain)


class RequestRunner(Closable):
    """Runs requests in one engine after the other. An engine's process stays for the next request
    to the same backend, with the model that it loaded last."""

    def __init__(
        self,
        settings: Settings,
        node: Node,
        on_progress: OnProgress = lambda label, line: None,
        on_output: OnOutput = lambda place, output: None,
    ) -> None:
        self._settings = settings
        self._node = node
        self._on_progress = on_progress
        self._on_output = on_output
        self._store = ArtifactStore(node, settings)
        self._process: EngineProcess | None = None
        self._python = ""

    def compare(
        self, choices: Sequence[Choice | Unusable], prompt: str, tokens: int, plain: bool = False
    ) -> Comparison:
        """As the function `compare` says."""
        if not choices:
            raise InputError("there is nothing to compare")
        outputs: list[Output] = []
        continuations: dict[int, messages.Continued] = {}
        for index, choice in enumerate(choices):
            if isinstance(choice, Unusable):
                outputs.append(Output(**choice._asdict(), status="unsupported"))
            else:
                try:
                    continuations[index] = self._run(choice.cell, prompt, tokens, plain)
                    outputs.append(_output(choice, continuations[index], tokens))
                except EngineError as error:
                    base = _base_output(choice)
                    outputs.append(replace(base, status=error.status, reason=str(error)))
            self._on_output(index, outputs[-1])
        compared = _with_differences(outputs, continuations)
        return Comparison(prompt=prompt, tokens=tokens, outputs=tuple(compared))

    def close(self) -> None:
        self._end_process()
        self._store.close()

    def _run(self, cell: Cell, prompt: str, tokens: int, plain: bool) -> messages.Continued:
        """Raises EngineError where the artifact cannot be had or the engine fails."""
        try:
            self._ensure_artifact(cell.artifact)
            self._on_progress(cell.artifact.label, "runs")
            return self._continue_prompt(cell, prompt, tokens, plain)
        except EngineError:
            self._end_process()
            raise
        finally:
            self._store.end_session()

    def _ensure_artifact(self, artifact: Artifact) -> None:
        """Find, fetch or make it."""
        if artifact.backend and not self._store.path(artifact).exists():
            if find_interpreter(artifact.backend, self._node) is None:
                raise EngineError(
                    f"it is made by {artifact.backend}, whose environment is not made here; "
                    f"`grid backends install {artifact.backend}`"
                )
            self._end_process()  # never two models in memory
            self._on_progress(artifact.label, "is being made")
        for event in self._store.artifact(artifact):
            if isinstance(event, Preparing):
                self._on_progress(artifact.label, f"{event.what}: {event.line}")

    def _continue_prompt(
        self, cell: Cell, prompt: str, tokens: int, plain: bool
    ) -> messages.Continued:
        load = messages.Load(
            backend=cell.backend,
            path=str(self._store.path(cell.artifact)),
            device=self._store.device(cell.backend),
            options=cell.options,
            memory_limit=self._settings.memory_limit,
        )
        request = messages.Continue(
            prompt=prompt,
            tokens=tokens,
            context_length=cell.artifact.model.context_length,
            chat="plain" if plain else "auto",
        )
        process = self._process_of(cell.backend)
        process.ask(load, self._settings.cell_timeout_s)
        reply = process.ask(request, self._settings.cell_timeout_s)
        assert isinstance(reply, messages.Continued)
        return reply

    def _process_of(self, backend: str) -> EngineProcess:
        interpreter = self._store.interpreter(backend)
        if self._process is None or self._python != f"{backend} {interpreter.python}":
            self._end_process()
            self._process = EngineProcess(interpreter.python, interpreter.imports)
            self._python = f"{backend} {interpreter.python}"
        return self._process

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.close()


def _base_output(choice: Choice) -> Output:
    artifact = choice.cell.artifact
    return Output(
        label=artifact.label,
        model=artifact.model.name,
        quant=artifact.quant,
        backend=choice.cell.backend,
        artifact_id=artifact.id,
        note=choice.note,
    )


def _output(choice: Choice, continuation: messages.Continued, limit: int) -> Output:
    times = continuation.times_s
    spell_s = times[-1] - times[0] if len(times) > 1 else 0.0
    return replace(
        _base_output(choice),
        prompt_tokens=len(continuation.prompt),
        templated=continuation.templated,
        tokens=tuple(map(token_of, continuation.tokens, continuation.spelling)),
        text=text_of(continuation.spelling),
        ended=len(continuation.tokens) < limit,
        ttft_s=times[0] if times else None,
        decode_tps=(len(times) - 1) / spell_s if spell_s > 0 else None,
    )


def _with_differences(
    outputs: Sequence[Output], continuations: dict[int, messages.Continued]
) -> list[Output]:
    """The outputs, each with where it parts from its reference."""
    compared = []
    for index, output in enumerate(outputs):
        at = (
            _reference_index(outputs, continuations, output.model)
            if index in continuations
            else None
        )
        if at is None:
            compared.append(output)
        elif at == index:
            compared.append(replace(output, is_reference=True))
        else:
            compared.append(with_difference(output, continuations[index], continuations[at]))
    return compared


def _reference_index(
    outputs: Sequence[Output], continuations: dict[int, messages.Continued], model: str
) -> int | None:
    mine = [index for index in continuations if outputs[index].model == model]
    candidates = mine if len(mine) > 1 else list(continuations)
    whole = [index for index in candidates if outputs[index].quant in WHOLE]
    return next(iter(whole or candidates), None)
