"""From a row of a task file to an item."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from string import ascii_uppercase
from typing import Any, cast

import msgspec

from grid.cells.items import Item, Message, Scoring
from grid.cells.scoring import last_number, parse_json
from grid.cells.task_files.columns import SCORINGS
from grid.errors import did_you_mean

MAX_TOKENS = 256
MOST_TOKENS = 100_000
ROLES = ("system", "user", "assistant")


class RowFault(Exception):
    """What is wrong with a row, in one line without its place."""


def to_item(values: Mapping[str, Any], name: str) -> Item:
    """The item of a row's filled columns, called `name` where it has no id. Raises RowFault."""
    messages, context = _conversation(values)
    choices = _texts(values, "choices")
    scoring = _text(values, "scoring").strip() or ("choice" if choices else "exact")
    if scoring not in SCORINGS:
        raise RowFault(f"scoring {scoring!r} is unknown. {did_you_mean(scoring, SCORINGS)}")
    item = Item(
        id=str(values.get("id", name)).strip(),
        kind="choice",
        context=context,
        choices=(),
        answer=0,
        messages=messages,
        group=_group(values.get("group", "")),
    )
    if scoring == "choice":
        return _with_choices(item, values, choices)
    if scoring == "written_choice":
        return _with_written_choice(item, values, choices)
    if choices:
        raise RowFault(f"choices go with scoring choice or written_choice, not {scoring}")
    return _with_written_answer(item, values, scoring)


def _conversation(values: Mapping[str, Any]) -> tuple[tuple[Message, ...], str]:
    """The messages, and the context for a model without a chat template: their texts, one after
    another."""
    names = [name for name in ("prompt", "question", "messages") if name in values]
    if len(names) > 1:
        raise RowFault(f"{' and '.join(names)}: one of them is the prompt")
    if not names:
        raise RowFault("no prompt")
    system = _text(values, "system")
    if names == ["messages"]:
        messages = _messages(values["messages"])
    else:
        prompt = _text(values, names[0])
        if not prompt.strip():
            raise RowFault("the prompt is empty")
        messages = (Message("user", prompt),)
    if system and messages[0].role != "system":
        messages = (Message("system", system), *messages)
    return messages, "\n\n".join(message.content for message in messages)


def _messages(value: Any) -> tuple[Message, ...]:
    form = 'messages are a list of {"role": ..., "content": ...}'
    if not isinstance(value, list) or not value:
        raise RowFault(form)
    messages = []
    for turn in value:
        if not isinstance(turn, dict) or set(turn) != {"role", "content"}:
            raise RowFault(form)
        role, content = turn["role"], turn["content"]
        if role not in ROLES:
            raise RowFault(f"messages: unknown role {role!r}. {did_you_mean(str(role), ROLES)}")
        if not isinstance(content, str) or not content.strip():
            raise RowFault(f"messages: the content of {role} is empty or no text")
        messages.append(Message(role, content))
    if messages[-1].role != "user":
        raise RowFault("messages: the last is the user's, which the model answers")
    return tuple(messages)


def _with_choices(item: Item, values: Mapping[str, Any], choices: tuple[str, ...]) -> Item:
    """An item whose answer is the choice of the highest log-probability."""
    answer = _right_choice(values, choices)
    gap = "" if item.context[-1].isspace() else " "
    spaced = tuple(choice if choice[0].isspace() else gap + choice for choice in choices)
    return msgspec.structs.replace(item, choices=spaced, answer=answer)


def _with_written_choice(item: Item, values: Mapping[str, Any], choices: tuple[str, ...]) -> Item:
    """An item that shows its choices with letters, of which the model writes one."""
    answer = _right_choice(values, choices)
    letters = ascii_uppercase[: len(choices)]
    shown = "\n".join(f"{letter}. {text}" for letter, text in zip(letters, choices, strict=True))
    shown = f"\n{shown}\nAnswer with the letter of the right choice."
    *before, last = item.messages
    return msgspec.structs.replace(
        item,
        kind="generate",
        scoring="choice",
        choices=choices,
        answer=answer,
        context=f"{item.context}{shown}\nAnswer:",
        messages=(*before, Message(last.role, last.content + shown)),
        until=_texts(values, "until"),
        max_tokens=_count(values, "max_tokens", MAX_TOKENS),
    )


def _right_choice(values: Mapping[str, Any], choices: tuple[str, ...]) -> int:
    """The index of the right choice, of choices that can be asked."""
    if not choices:
        raise RowFault("no choices")
    if len(choices) < 2:
        raise RowFault("one choice; at least two are needed")
    if not all(choice.strip() for choice in choices):
        raise RowFault("a choice is empty")
    if len({*choices}) < len(choices):
        raise RowFault("two choices are equal")
    if len(choices) > len(ascii_uppercase):
        raise RowFault(f"{len(choices)} choices; at most {len(ascii_uppercase)} have letters")
    if "answers" in values:
        raise RowFault("answers: of choices one is right; name it as answer")
    return _choice_index(values.get("answer"), choices)


def _choice_index(answer: Any, choices: tuple[str, ...]) -> int:
    """A text that is a choice is that one; else a letter from A, else an index from 0."""
    if answer is None or not str(answer).strip():
        raise RowFault("no answer")
    text = str(answer).strip()
    stripped = [choice.strip() for choice in choices]
    if isinstance(answer, str) and text in stripped:
        return stripped.index(text)
    letters = ascii_uppercase[: len(choices)]
    if len(text) == 1 and text.upper() in letters:
        return letters.index(text.upper())
    if re.fullmatch(r"-?\d+", text) and not isinstance(answer, bool):
        if 0 <= int(text) < len(choices):
            return int(text)
        raise RowFault(f"answer {text}: the {len(choices)} choices are 0 to {len(choices) - 1}")
    raise RowFault(f"answer {text!r} is none of the choices, no letter of them and no index")


def _with_written_answer(item: Item, values: Mapping[str, Any], scoring: str) -> Item:
    """An item whose answer the model writes."""
    if scoring == "json" and isinstance(values.get("answer"), dict | list):
        values = {**values, "answer": json.dumps(values["answer"])}
    answers = _texts(values, "answers") or _texts(values, "answer")
    if "answer" in values and "answers" in values:
        raise RowFault("answer and answers: one of them")
    if not all(answer.strip() for answer in answers) or (not answers and scoring != "json"):
        raise RowFault("no answer")
    pattern = ""
    if scoring == "regex":
        pattern, answers = _pattern(answers), ()
    for answer in answers:
        _check_answer(answer, scoring)
    until = _texts(values, "until") or (("\n",) if scoring == "exact" else ())
    return msgspec.structs.replace(
        item,
        kind="generate",
        scoring=cast("Scoring", scoring),
        answers=answers,
        pattern=pattern,
        until=until,
        max_tokens=_count(values, "max_tokens", MAX_TOKENS),
    )


def _pattern(answers: tuple[str, ...]) -> str:
    if len(answers) > 1:
        raise RowFault("scoring regex takes one answer; write a|b for alternatives")
    try:
        re.compile(answers[0])
    except re.error as error:
        raise RowFault(f"answer {answers[0]!r} is no regular expression: {error}") from None
    return answers[0]


def _check_answer(answer: str, scoring: str) -> None:
    """Raises RowFault for one that no response could equal."""
    if scoring == "number" and last_number(answer) is None:
        raise RowFault(f"answer {answer!r} is no number, which scoring number takes")

    try:
        if scoring == "json":
            parse_json(answer)
    except ValueError:
        raise RowFault(f"answer {answer!r} is no JSON, which scoring json takes") from None


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name, "")
    if not isinstance(value, str):
        raise RowFault(f"{name}: expected text, got {value!r}")
    return value


def _group(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RowFault(f"group: expected text, got {value!r}")
    return str(value).strip()


def _texts(values: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """One text or number, or a list of them."""
    value = values.get(name, ())
    listed = value if isinstance(value, list | tuple) else [value]
    for text in listed:
        if isinstance(text, bool) or not isinstance(text, str | int | float):
            raise RowFault(f"{name}: expected text, got {text!r}")
    return tuple(str(text) for text in listed)


def _count(values: Mapping[str, Any], name: str, default: int) -> int:
    text = str(values.get(name, default)).strip()
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_TOKENS:
        raise RowFault(f"{name}: expected a whole number from 1 to {MOST_TOKENS}, got {text!r}")
    return int(text)
