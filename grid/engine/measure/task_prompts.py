"""What a model is shown of an item: its context as text, or as a conversation."""

from __future__ import annotations

from collections.abc import Sequence

from grid.cells.items import Item, Message
from grid.cells.measurement import ItemResult
from grid.cells.scoring import Verdict
from grid.cells.workload import Tasks
from grid.engine.measure.conversation import PromptText, PromptTokenizer
from grid.engine.measure.pairs import Pair, encode_pair, rolling_pairs
from grid.errors import Unsupported
from grid.models.chat import ChatTemplate


class TaskPrompts:
    """Prompts of a task's items, plain or through a chat template.

    `context_length` is what the model takes at once, in tokens; 0: not known.
    """

    def __init__(
        self,
        workload: Tasks,
        tokenizer: PromptTokenizer,
        template: ChatTemplate | None,
        context_length: int,
    ) -> None:
        self.workload, self.tokenizer = workload, tokenizer
        self.context_length = context_length
        self._template = template

    def pairs(self, item: Item) -> list[Pair]:
        """(context ids, continuation ids) of each choice, or of each window of a whole text.

        Raises Unsupported, naming the item, where one cannot be cut.
        """
        try:
            if item.kind == "rolling":
                return rolling_pairs(self.tokenizer, item.context, self.context_length)
            contexts = self._contexts(item)
            return [
                encode_pair(self.tokenizer, context, self._continuation(item, choice))
                for context, choice in zip(contexts, item.choices, strict=True)
            ]
        except Unsupported as error:
            raise Unsupported(f"item {item.id}: {error}") from error

    def ids(self, item: Item) -> list[int]:
        """The prompt of an item whose answer is written."""
        try:
            return self.tokenizer.ids(self._prompt(item, item.context)) or self._prefix()
        except Unsupported as error:
            raise Unsupported(f"item {item.id}: {error}") from error

    def _prefix(self) -> list[int]:
        if self.tokenizer.prefix is None:
            raise Unsupported("the prompt comes to no token")
        return [self.tokenizer.prefix]

    def _contexts(self, item: Item) -> Sequence[PromptText]:
        if item.contexts:
            return [self._prompt(item, context) for context in item.contexts]
        return [self._prompt(item, item.context)] * len(item.choices)

    def _prompt(self, item: Item, context: str) -> PromptText:
        """An item without a conversation is one message of the user's, where a template is used."""
        if self._template is None:
            return PromptText(context)
        messages = item.messages
        if item.contexts or not messages:
            messages = (*messages, Message("user", context))
        return self.tokenizer.render(self._template, messages, item.reply)

    def _continuation(self, item: Item, choice: str) -> str:
        """A new turn begins without the space that parts a choice from a plain context."""
        begins = self._template is not None and (not item.reply or item.reply[-1].isspace())
        return choice.removeprefix(" ") if begins and item.kind == "choice" else choice


def task_result(
    workload: Tasks,
    item: Item,
    verdict: Verdict,
    *,
    log_likelihoods: tuple[float, ...] = (),
    response: str = "",
    tokens: int = 0,
    finish: str = "",
    prompt_tokens: int | None = None,
) -> ItemResult:
    """An item's result, under the task's names."""
    return ItemResult(
        task_class=workload.task_class,
        task=workload.task,
        item=item.id,
        score=verdict.score,
        chance=item.chance,
        chosen=verdict.chosen,
        answer=item.answer,
        log_likelihoods=log_likelihoods,
        response=response,
        tokens=tokens,
        finish=finish,
        note=verdict.note,
        group=item.group,
        prompt_tokens=prompt_tokens,
    )


def unanswered(prompts: TaskPrompts, item: Item, tokens: int) -> ItemResult:
    """An item that the model's context does not hold: nothing is cut off it, and it counts as
    wrong."""
    note = f"{tokens} tokens do not fit the model's context of {prompts.context_length}"
    return task_result(
        prompts.workload, item, Verdict(0.0, note=note), finish="unanswered", prompt_tokens=0
    )
