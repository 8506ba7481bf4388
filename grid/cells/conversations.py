"""Conversations as a text: JSON lines of messages, which a chat template makes into what a model
reads."""

from __future__ import annotations

import msgspec

from grid.cells.items import Message
from grid.errors import InputError, did_you_mean

Conversation = tuple[Message, ...]

ROLES = ("system", "user", "assistant")

SUFFIX = ".jsonl"
"""Files so called hold conversations."""

_EXAMPLE = '{"messages": [{"role": "user", "content": "Hello"}, ...]}'


class _Line(msgspec.Struct, frozen=True):
    messages: Conversation


_decode_line = msgspec.json.Decoder(_Line).decode


class _PromptLine(msgspec.Struct, frozen=True):
    messages: Conversation = ()
    prompt: str = ""


_decode_prompt = msgspec.json.Decoder(_PromptLine).decode


def parse_conversations(content: str, source: str) -> list[Conversation]:
    """One conversation a line: `{"messages": [{"role": "user", "content": "Hello"}, ...]}`, where
    other keys are ignored.

    Raises InputError with `source` and the line.
    """
    conversations: list[Conversation] = []
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{source}, line {number}"
        try:
            messages = _decode_line(line).messages
        except msgspec.MsgspecError as error:
            raise InputError(f"{place}: {error}; a line is {_EXAMPLE}") from None
        if fault := _fault(messages):
            raise InputError(f"{place}: {fault}")
        conversations.append(messages)
    if not conversations:
        raise InputError(f"{source}: no conversations")
    return conversations


def parse_prompts(content: str, source: str) -> list[Conversation]:
    """One prompt a line: `{"prompt": "Hello"}`, or a conversation, of which everything up to the
    user's last message is the prompt.

    Raises InputError with `source` and the line.
    """
    prompts: list[Conversation] = []
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{source}, line {number}"
        try:
            written = _decode_prompt(line)
        except msgspec.MsgspecError as error:
            raise InputError(f'{place}: {error}; a line is {{"prompt": "..."}}') from None
        messages = written.messages or (Message("user", written.prompt),)
        last = max((i for i, turn in enumerate(messages) if turn.role == "user"), default=-1)
        if fault := _fault(messages[: last + 1]) if last >= 0 else "no message of the user's":
            raise InputError(f"{place}: {fault}")
        prompts.append(messages[: last + 1])
    if not prompts:
        raise InputError(f"{source}: no prompts")
    return prompts


def _fault(messages: Conversation) -> str:
    """What is wrong with a conversation; empty where nothing is."""
    if not messages:
        return "a conversation without messages"
    for number, message in enumerate(messages, start=1):
        if message.role not in ROLES:
            hint = did_you_mean(message.role, ROLES)
            return f"message {number}: unknown role {message.role!r}. {hint}"
        if not message.content.strip():
            return f"message {number}: the content is empty"
    return ""
