"""The requests that the harness would put to a model, as items. Runs in the harness's process."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import msgspec
from lm_eval.api.task import ConfigurableTask
from lm_eval.defaults import DEFAULT_MAX_GEN_TOKS

from grid.cells.items import Item, Message, Normalization
from grid.engine.harness.answers import Document
from grid.engine.harness.figure import ScoreFigure
from grid.engine.harness.messages import Leaf
from grid.errors import InputError

_NORMALIZATIONS: dict[str, Normalization] = {
    "acc": "none",
    "acc_norm": "characters",
    "acc_bytes": "bytes",
}
_LENGTH_NAMES = ("max_gen_toks", "max_new_tokens", "max_tokens")


class Prompt(NamedTuple):
    """A document with the context of its request, plain (a list: one for each choice) and as the
    conversation that a chat template is given."""

    doc: Any
    context: str | list[str]
    messages: tuple[Message, ...]
    reply: str


class TaskRequests:
    """The requests of one task, in the order of its documents."""

    def __init__(self, task: ConfigurableTask, figure: ScoreFigure, leaf: Leaf, seed: int) -> None:
        self.task = task
        self._figure = figure
        self._leaf = leaf
        self._seed = seed
        self._shots = int(task.get_config("num_fewshot"))

    def prompts(self, count: int) -> Iterator[Prompt]:
        """The prompts of the first documents. Few-shot examples are drawn once for each context, so
        that plain and chat contexts are made in a pass of their own, from the same seed."""
        docs = list(islice(self.task.task_docs, count))
        self.task.set_fewshot_seed(self._seed)
        contexts = [self._context(doc) for doc in docs]
        self.task.set_fewshot_seed(self._seed)
        for doc, context in zip(docs, contexts, strict=True):
            yield Prompt(doc, context, *self._conversation(doc))

    def choice_item(self, prompt: Prompt) -> Item:
        """An item of multiple choice; the harness scores it where that takes more than the item."""
        choices = self.task.doc_to_choice(prompt.doc)
        requests = self._arguments(prompt.doc, prompt.context)[: len(choices)]
        contexts = tuple(context for context, _ in requests)
        continuations = tuple(continuation for _, continuation in requests)
        self._check_chat(prompt, continuations)
        answer, native = self._answer(prompt.doc, choices)
        normalization = _NORMALIZATIONS.get(self._figure.metric, "none")
        lengths = [len(choice.removeprefix(" ")) for choice in continuations]
        if normalization != "none" and lengths != [len(choice) for choice in choices]:
            native = False
        same = len(set(contexts)) == 1
        return Item(
            id="",
            kind="choice",
            context=contexts[0] if same else "",
            contexts=() if same else contexts,
            choices=continuations,
            answer=answer,
            messages=prompt.messages,
            reply=prompt.reply,
            normalization=normalization if native else "none",
            scoring="" if native else "harness",
            document="" if native else self._document(prompt.doc),
        )

    def exact_item(self, prompt: Prompt) -> Item:
        """An item whose one continuation must be the greedy one."""
        if self._figure.metric != "acc":
            raise InputError(f"its figure {self._figure.metric} is not scored")
        ((context, continuation),) = self._arguments(prompt.doc, prompt.context)
        return Item(
            id="",
            kind="exact",
            context=context,
            choices=(continuation,),
            answer=0,
            messages=prompt.messages,
            reply=prompt.reply,
        )

    def generate_item(self, prompt: Prompt) -> Item:
        """An item whose answer is written."""
        ((context, settings),) = self._arguments(prompt.doc, prompt.context)
        until = settings.get("until") or ()
        length = next((settings[name] for name in _LENGTH_NAMES if settings.get(name)), None)
        runs_code = getattr(self.task, "UNSAFE_CODE", False)
        return Item(
            id="",
            kind="generate",
            context=context,
            choices=(),
            answer=0,
            messages=prompt.messages,
            reply=prompt.reply,
            until=(until,) if isinstance(until, str) else tuple(until),
            max_tokens=int(length or DEFAULT_MAX_GEN_TOKS),
            scoring="code" if runs_code else "harness",
            document=self._document(prompt.doc),
        )

    def _context(self, doc: Any, **chat: Any) -> Any:
        prefix = self.task.doc_to_prefix(doc)
        return self.task.fewshot_context(doc, num_fewshot=self._shots, gen_prefix=prefix, **chat)

    def _conversation(self, doc: Any) -> tuple[tuple[Message, ...], str]:
        """What the harness hands to a chat template, and how it begins the assistant's turn. Of a
        task with a context for each choice the turns before that context."""
        captured: list[list[dict[str, str]]] = []

        def template(messages: list[dict[str, str]], **_: Any) -> str:
            captured.append(messages)
            return ""

        self._context(
            doc, apply_chat_template=True, fewshot_as_multiturn=True, chat_template=template
        )
        turns = [Message(turn["role"], turn["content"]) for turn in captured[0]]
        reply = turns.pop().content if turns[-1].role == "assistant" else ""
        if self.task.multiple_input:
            turns.pop()
        return tuple(turns), reply

    def _arguments(self, doc: Any, context: Any, chat: bool = False) -> list[tuple[Any, Any]]:
        instances = self.task.construct_requests(
            doc=doc,
            ctx=context,
            metadata=(self._leaf.name, 0, 1),
            apply_chat_template=chat,
            chat_template=None,
        )
        instances = instances if isinstance(instances, list) else [instances]
        return [tuple(instance.arguments) for instance in instances]

    def _check_chat(self, prompt: Prompt, continuations: tuple[str, ...]) -> None:
        """In a chat the choices lack the space that they begin with, unless a reply begins the
        turn: hold that the harness's do."""
        chat = self._arguments(prompt.doc, prompt.context, chat=True)[: len(continuations)]
        goes_on = prompt.reply and not prompt.reply[-1].isspace()
        ours = [c if goes_on else c.removeprefix(" ") for c in continuations]
        if [continuation for _, continuation in chat] != ours:
            raise InputError(
                "the task joins choices to a conversation in a way of its own; not supported"
            )

    def _answer(self, doc: Any, choices: list[str]) -> tuple[int, bool]:
        """Index of the right choice, and whether that and the figure are all that scoring takes."""
        multiple = self.task.multiple_input
        gold = self.task.doc_to_text(doc) if multiple else self.task.doc_to_target(doc)
        native = (
            not callable(self.task.config.process_results)
            and self._figure.metric in _NORMALIZATIONS
        )
        if isinstance(gold, list):
            return (int(gold[0]) if gold and isinstance(gold[0], int) else 0), False
        written = gold
        if isinstance(gold, str):
            gold = choices.index(gold) if gold in choices else -1
        if not 0 <= gold < len(choices):
            raise InputError(f"its answer {written!r} is none of its choices")
        return int(gold), native

    def _document(self, doc: Any) -> str:
        fields = Document(
            task=self._leaf.name,
            path=self._leaf.path,
            metric=self._figure.metric,
            filter=self._figure.filter,
            doc=dict(doc),
        )
        return msgspec.json.encode(fields).decode()
