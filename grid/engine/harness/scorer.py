"""Scores answers that an engine's process cannot: by the harness, or by running the program that a
model wrote in a sandbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from grid.cells.items import Item
from grid.cells.measurement import ItemResult
from grid.engine.harness import messages
from grid.engine.harness.process import HarnessProcess
from grid.engine.sandbox import SandboxLimits, passed
from grid.errors import EngineError, InputError, Unsupported

SCORE_TIMEOUT_S = 3600.0
"""Metrics that parse long answers take their time."""

PROGRAM_LIMITS = SandboxLimits(cpu_s=3)
"""The harness's own metric gives a program 3 seconds."""

UNANSWERED = "unanswered"

Say = Callable[[str], None]


def takes_scoring(items: Sequence[Item]) -> bool:
    """Whether answers to some of the items are scored here."""
    return any(item.scoring in ("harness", "code") for item in items)


class AnswerScorer:
    """Scores by the harness and, where `run_code`, in a sandbox; its process stays until closed."""

    def __init__(self, run_code: bool, say: Say = lambda line: None) -> None:
        self._run_code = run_code
        self._process = HarnessProcess(say)

    def score(self, items: Sequence[Item], results: Sequence[ItemResult]) -> list[ItemResult]:
        """The results with their scores, in the same order; others stay as they are.

        Raises Unsupported where programs may not run here, EngineError where scoring fails.
        """
        by_id = {item.id: item for item in items}
        scored = [
            (by_id[result.item], result)
            for result in results
            if by_id[result.item].scoring in ("harness", "code") and result.finish != UNANSWERED
        ]
        if not scored:
            return list(results)
        if any(item.scoring == "code" for item, _ in scored) and not self._run_code:
            raise Unsupported(
                "scoring runs programs that the model wrote; say run_code = true under [tasks] to "
                "run them in a sandbox"
            )
        try:
            reply = self._process.ask(_request(scored), SCORE_TIMEOUT_S)
        except InputError as error:
            raise EngineError(str(error)) from error
        assert isinstance(reply, messages.Scored)
        updates = _program_results(scored, reply) if reply.programs else _results(scored, reply)
        by_item = {result.item: result for result in updates}
        return [by_item.get(result.item, result) for result in results]

    def close(self) -> None:
        self._process.close()


def _request(scored: Sequence[tuple[Item, ItemResult]]) -> messages.Score:
    return messages.Score(
        documents=tuple(item.document for item, _ in scored),
        responses=tuple(result.response for _, result in scored),
        log_likelihoods=tuple(
            () if item.kind == "generate" else result.log_likelihoods for item, result in scored
        ),
    )


def _results(scored: Sequence[tuple[Item, ItemResult]], reply: messages.Scored) -> list[ItemResult]:
    return [
        msgspec.structs.replace(
            result, score=score, chance=result.chance if item.kind == "generate" else chance
        )
        for (item, result), score, chance in zip(scored, reply.scores, reply.chances, strict=True)
    ]


def _program_results(
    scored: Sequence[tuple[Item, ItemResult]], reply: messages.Scored
) -> list[ItemResult]:
    """1 for a program that passes its tests; why another one does not is in the note."""
    outcomes = passed(reply.programs, PROGRAM_LIMITS)
    refused = next((outcome for outcome in outcomes if outcome.status == "refused"), None)
    if refused is not None:
        raise Unsupported(refused.reason)
    if len(outcomes) != len(scored):
        raise EngineError(f"{len(outcomes)} programs for {len(scored)} answers")
    return [
        msgspec.structs.replace(
            result,
            score=float(outcome.status == "passed"),
            note=result.note or outcome.reason,
        )
        for (_, result), outcome in zip(scored, outcomes, strict=True)
    ]
