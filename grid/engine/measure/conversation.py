"""Texts as token ids: plain ones, and conversations rendered by a chat template."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import msgspec

from grid.backend import Engine, SpecialTokens, Tokenizes
from grid.cells.items import Message
from grid.engine.measure.result import need
from grid.errors import InputError, Unsupported
from grid.models.chat import ChatTemplate


class PromptText(msgspec.Struct, frozen=True):
    """A text for the model; `contents` are the parts of it that somebody wrote, in order, where the
    rest came of a chat template. None: all of it is plain."""

    text: str
    contents: tuple[str, ...] | None = None

    def followed_by(self, text: str) -> PromptText:
        return PromptText(self.text + text, self.contents)


class PromptTokenizer:
    """Ids of prompts, BOS before them where texts begin with one.

    Special tokens are read in what a template wrote, never in what a message says: a message that
    spells one is tokenized as plain text, apart from its surroundings.
    """

    def __init__(self, engine: Engine) -> None:
        self.plain = need(engine, Tokenizes)
        self._special = engine if isinstance(engine, SpecialTokens) else None
        self._spells_special = lru_cache(maxsize=4096)(self._find_special)

    @property
    def reads_special_tokens(self) -> bool:
        return self._special is not None

    @property
    def prefix(self) -> int | None:
        """The id that stands before an empty context."""
        return self.plain.bos if self._special is None else self._special.prefix

    def render(
        self,
        template: ChatTemplate,
        messages: Sequence[Message],
        reply: str = "",
        complete: bool = False,
    ) -> PromptText:
        """A conversation up to the assistant's next turn, which begins with `reply`; where it is
        `complete` no turn is begun.

        Raises Unsupported where the template refuses it, or the engine reads no special tokens.
        """
        self._require_special()
        turns = [{"role": turn.role, "content": turn.content} for turn in messages]
        try:
            text = template.render(turns, reply, complete)
        except InputError as error:
            raise Unsupported(str(error)) from error
        return PromptText(text, tuple(turn.content for turn in messages))

    def ids(self, prompt: PromptText) -> list[int]:
        """Raises Unsupported where a message spells a special token and the template changed it."""
        plain = self.plain
        if prompt.contents is None:
            ids = plain.encode(prompt.text)
            return ids if plain.bos is None else [plain.bos, *ids]
        ids = self._templated_ids(prompt.text, prompt.contents)
        begun = plain.bos is None or ids[:1] == [plain.bos]
        return ids if begun else [plain.bos, *ids]  # type: ignore[list-item]

    def special_id(self, text: str) -> int | None:
        """The special token that a text spells, None where it is another text."""
        if self._special is None:
            return None
        ids = self._special.encode_special(text)
        return ids[0] if len(ids) == 1 and not self.plain.decode(ids) else None

    def _templated_ids(self, text: str, contents: Sequence[str]) -> list[int]:
        special = self._require_special()
        forged = [content for content in contents if self._spells_special(content)]
        if not forged:
            return special.encode_special(text)
        ids: list[int] = []
        for number, part in enumerate(_cut(text, [content.strip() for content in forged])):
            ids += self.plain.encode(part) if number % 2 else special.encode_special(part)
        return ids

    def _find_special(self, content: str) -> bool:
        return self._require_special().encode_special(content) != self.plain.encode(content)

    def _require_special(self) -> SpecialTokens:
        if self._special is None:
            raise Unsupported(
                "the engine reads no special tokens (encode_special), which a chat template takes; "
                "ask without one (chat = false, --plain)"
            )
        return self._special


def _cut(text: str, parts: Sequence[str]) -> list[str]:
    """The text cut before and after each of `parts`, which stand in it in this order."""
    borders = [0]
    for part in parts:
        start = text.find(part, borders[-1])
        if start < 0:
            raise Unsupported(
                "a message spells a special token, and the chat template changes that message"
            )
        borders += [start, start + len(part)]
    return [text[start:end] for start, end in pairwise([*borders, len(text)])]
