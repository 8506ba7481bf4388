"""Items of a task: what a model is asked, and which answer is right."""

from __future__ import annotations

import re
from typing import Literal, get_args

import msgspec

from grid.cells.retrieval import expected_ndcg
from grid.errors import did_you_mean

ItemKind = Literal["choice", "exact", "rolling", "generate", "retrieval"]

Normalization = Literal["none", "characters", "bytes"]

Scoring = Literal[
    "", "exact", "contains", "regex", "number", "choice", "json", "code", "harness", "judge"
]

TURN_BREAK = "\n\x1e\n"
"""Stands in a response between the answers of a conversation's turns: a record separator."""


class Message(msgspec.Struct, frozen=True):
    """A turn of a conversation; `role` is system, user or assistant."""

    role: str
    content: str


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """One item of a task.

    `choice`: right if the log-probability of `choices[answer]` after `context` is the highest,
    divided by the choice's length where `normalization` names one. `exact`: `choices` has one
    element; right if each of its tokens is the greedy prediction. `rolling`: the log-probability of
    all of `context`. `generate`: the model continues until one of `until` or `max_tokens`;
    `scoring` says how its text is compared with `answers`. `retrieval`: all `choices`, documents,
    are ranked by how near they are to `context`, a query; `relevance` has a grade for each, 0 for
    none, and `answer` is one of the highest.

    `messages` is the context as a conversation, for models with a chat template; `reply` begins the
    assistant's turn. `contexts` holds a context for each choice where they differ; each is then the
    user's last turn, after `messages`. A space that a choice begins with separates it from the
    context: a choice's length does not count it, and an assistant's turn without `reply` begins
    after it.
    """

    id: str
    kind: str
    context: str
    choices: tuple[str, ...]
    answer: int
    contexts: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()
    reply: str = ""
    normalization: Normalization = "none"
    until: tuple[str, ...] = ()
    max_tokens: int = 0
    scoring: Scoring = ""
    answers: tuple[str, ...] = ()
    pattern: str = ""
    """Of scoring `regex`: a match anywhere in the text is right."""
    group: str = ""
    """Passage or subject that items share: intervals are over groups, not items."""
    relevance: tuple[int, ...] = ()
    document: str = ""
    """JSON of the harness's own document, by which it scores, or of what a judge is told; empty for
    others."""
    turns: tuple[str, ...] = ()
    """What the user says next, after each answer of the model; of scoring `judge` only. The
    response is then all answers, with `TURN_BREAK` between them."""

    @property
    def chance(self) -> float:
        """Expected score of a guess: 1 / number of choices, 0 where there are none; of a ranking,
        the mean over all."""
        if self.kind == "retrieval":
            return expected_ndcg(self.relevance)
        chooses = self.kind == "choice" or self.scoring == "choice"
        return 1.0 / len(self.choices) if chooses and self.choices else 0.0


def after_answer(item: Item, answer: str) -> Item:
    """The item one turn on: the model's answer stands in the conversation, and the first of `turns`
    is asked."""
    turn, *later = item.turns
    messages = item.messages or (Message("user", item.context),)
    return msgspec.structs.replace(
        item,
        context=f"{item.context}{answer}\n\n{turn}",
        messages=(*messages, Message("assistant", answer), Message("user", turn)),
        turns=tuple(later),
    )


def item_fault(item: Item) -> str:
    """What is wrong with an item; empty where nothing is."""
    if item.kind not in get_args(ItemKind):
        return f"unknown kind {item.kind!r}. {did_you_mean(item.kind, get_args(ItemKind))}"
    if not item.context and not item.messages and not item.contexts:
        return "the context must not be empty"
    if item.turns and (item.kind != "generate" or item.scoring != "judge"):
        return "turns go with kind generate and scoring judge"
    if item.kind in ("choice", "exact"):
        return _choice_fault(item)
    if item.kind == "retrieval":
        return _retrieval_fault(item)
    return _written_fault(item) if item.kind == "generate" else ""


def _written_fault(item: Item) -> str:
    if item.max_tokens < 1:
        return "kind generate takes max_tokens of at least 1"
    match item.scoring:
        case "exact" | "contains" | "number" if not item.answers:
            return f"scoring {item.scoring} takes answers"
        case "choice" if not 0 <= item.answer < len(item.choices):
            return f"answer {item.answer} is no index of its {len(item.choices)} choices"
        case "regex":
            return _pattern_fault(item.pattern)
        case "judge" if not item.document:
            return "scoring judge takes a document, which names the judge"
    return ""


def _pattern_fault(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"the pattern {pattern!r} is no regular expression ({error})"
    return "" if pattern else "scoring regex takes a pattern"


def _retrieval_fault(item: Item) -> str:
    if len(item.choices) < 2 or not all(item.choices):
        return f"kind retrieval takes two documents or more as choices, got {len(item.choices)}"
    if len(item.relevance) != len(item.choices):
        return f"relevance has {len(item.relevance)} grades for {len(item.choices)} documents"
    if min(item.relevance) < 0 or max(item.relevance) == 0:
        return "relevance takes grades of 0 or more, one of them above 0"
    if not 0 <= item.answer < len(item.choices):
        return f"answer {item.answer} is no index of its {len(item.choices)} documents"
    if item.relevance[item.answer] != max(item.relevance):
        return f"answer {item.answer} is not its most relevant document"
    return ""


def _choice_fault(item: Item) -> str:
    if item.kind == "exact" and len(item.choices) != 1:
        return f"kind exact takes one choice, got {len(item.choices)}"
    if item.kind == "choice" and len(item.choices) < 2:
        return f"kind choice takes at least two choices, got {len(item.choices)}"
    if not 0 <= item.answer < len(item.choices):
        return f"answer {item.answer} is no index of its {len(item.choices)} choices"
    if not all(item.choices):
        return "choices must not be empty"
    if item.contexts and len(item.contexts) != len(item.choices):
        return f"{len(item.contexts)} contexts for {len(item.choices)} choices"
    return ""
