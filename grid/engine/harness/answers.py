"""Scores answers with the harness's own filters and metrics. Runs in the harness's process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask

from grid.engine.harness.loading import recorded, scoring_task
from grid.engine.harness.messages import Score, Scored
from grid.errors import EngineError

CERTAIN = -1000.0
"""Log-likelihood beside which one of 0 takes all probability."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What an item keeps of its document, so that it is scored without the data set: the task, its
    YAML file, the figure with the filter that comes before it, and the document itself."""

    task: str
    path: str
    metric: str
    filter: str
    doc: dict[str, Any]


class Answer(msgspec.Struct, frozen=True):
    """What a model answered: a text, or the log-likelihoods of the choices."""

    text: str = ""
    log_likelihoods: tuple[float, ...] = ()


def score_answers(request: Score) -> Scored:
    """The scores of answers, in the order of the request."""
    documents = [msgspec.json.decode(document, type=Document) for document in request.documents]
    pairs = zip(request.responses, request.log_likelihoods, strict=True)
    answers = [Answer(text, lls) for text, lls in pairs]
    return score_documents(documents, answers)


def score_documents(documents: Sequence[Document], answers: Sequence[Answer]) -> Scored:
    """As `score_answers`."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, document in enumerate(documents):
        groups[document.task, document.path].append(index)
    scores, chances = [0.0] * len(documents), [0.0] * len(documents)
    programs = [""] * len(documents)
    for (name, path), indices in groups.items():
        task = scoring_task(name, path, [documents[index].doc for index in indices])
        docs = list(task.task_docs)
        for index, doc in zip(indices, docs, strict=True):
            document, answer = documents[index], answers[index]
            if answer.log_likelihoods:
                scores[index] = _choice_score(task, document, doc, answer.log_likelihoods)
                chances[index] = _chance(task, document, doc, len(answer.log_likelihoods))
            else:
                scores[index], programs[index] = _text_score(task, document, doc, answer.text)
    if any(programs):
        return Scored(programs=tuple(programs))
    return Scored(scores=tuple(scores), chances=tuple(chances))


def _choice_score(
    task: ConfigurableTask, document: Document, doc: Any, log_likelihoods: Sequence[float]
) -> float:
    results = [(value, False) for value in log_likelihoods]
    return float(task.process_results(doc, results)[document.metric])


def _chance(task: ConfigurableTask, document: Document, doc: Any, count: int) -> float:
    """The score of a guess: the mean over the choices of what being certain of it scores."""
    certain = [[0.0 if i == j else CERTAIN for j in range(count)] for i in range(count)]
    return sum(_choice_score(task, document, doc, values) for values in certain) / count


def _text_score(
    task: ConfigurableTask, document: Document, doc: Any, text: str
) -> tuple[float, str]:
    """The score of a text, or the program that decides it."""
    instance = Instance("generate_until", doc, ("", {}), 0, (document.task, 0, 1), [text])
    ensemble = next((f for f in task._filters if f.name == document.filter), None)
    if ensemble is None:
        raise EngineError(f"task {document.task} has no filter {document.filter!r}")
    ensemble.apply([instance])
    recorded.programs.clear()
    figures = task.process_results(doc, [instance.filtered_resps[document.filter]])
    if getattr(task, "UNSAFE_CODE", False):
        if len(recorded.programs) != 1:
            raise EngineError(f"task {document.task} runs code in a way that is not supported")
        return 0.0, recorded.programs[0]
    return float(figures[document.metric]), ""
