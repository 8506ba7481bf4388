"""Conversations in a file: one a line, bad ones refused with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from grid.cells.conversations import parse_conversations, parse_prompts
from grid.cells.items import Message
from grid.cells.texts import read_text
from grid.errors import InputError

HELLO = '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}]}'


def test_a_line_is_a_conversation() -> None:
    text = f'\n{HELLO}\n{{"id": 7, "messages": [{{"role": "system", "content": "\u2028"}}]}}\n'
    first, second = parse_conversations(text.replace("\u2028", "a\u2028b"), "x.jsonl")
    assert first == (Message("user", "Hi"), Message("assistant", "Yo"))
    assert second == (Message("system", "a\u2028b"),)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: Input data was truncated"),
        ("{}", "line 2: .*missing required field `messages`; a line is"),
        ('{"messages": []}', "line 2: a conversation without messages"),
        (HELLO.replace('"Yo"', '["Yo"]'), r"line 2: Expected `str`, got `array`.*\$.messages"),
        (HELLO.replace("assistant", "asistant"), "line 2: message 2: unknown role .* 'assistant'"),
        (HELLO.replace("Yo", " "), "line 2: message 2: the content is empty"),
    ],
)
def test_a_bad_line_is_refused_with_its_place(line: str, message: str) -> None:
    with pytest.raises(InputError, match=f"my.jsonl, {message}"):
        parse_conversations(f"{HELLO}\n{line}", "my.jsonl")


def test_a_file_without_conversations_is_refused() -> None:
    with pytest.raises(InputError, match=r"x\.jsonl: no conversations"):
        parse_conversations("\n\n", "x.jsonl")


def test_a_text_is_conversations_by_the_ending_of_its_file(tmp_path: Path) -> None:
    for name in ("a.txt", "a.jsonl", "B.JSONL"):
        (tmp_path / name).write_text(HELLO)
    assert [read_text(n, tmp_path).chat for n in ("a.txt", "a.jsonl", "B.JSONL")] == [
        False,
        True,
        True,
    ]


def test_the_bundled_conversations_are_some_and_differ() -> None:
    text = read_text("ref:chat")
    conversations = parse_conversations(text.text, text.source)
    assert text.chat
    assert len(conversations) == len(set(conversations)) >= 60
    assert {message.role for turns in conversations for message in turns} == {
        "system",
        "user",
        "assistant",
    }
    assert all(turns[-1].role == "assistant" for turns in conversations)
    assert not read_text("ref:code").chat


def test_a_prompt_is_a_text_or_a_conversation_up_to_its_last_question() -> None:
    longer = HELLO.replace("]}", ', {"role": "user", "content": "Why?"}]}')
    text = f'{{"prompt": "Hello"}}\n{HELLO}\n{longer}\n'
    first, second, third = parse_prompts(text, "p.jsonl")
    assert first == (Message("user", "Hello"),)
    assert second == (Message("user", "Hi"),)
    assert third == (Message("user", "Hi"), Message("assistant", "Yo"), Message("user", "Why?"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("hello", r"p\.jsonl, line 1: .*; a line is .*prompt"),
        ('{"prompt": " "}', r"line 1: message 1: the content is empty"),
        ("{}", r"line 1: message 1: the content is empty"),
        ('{"messages": [{"role": "system", "content": "a"}]}', "line 1: no message of the user's"),
        ("", r"p\.jsonl: no prompts"),
    ],
)
def test_a_bad_prompt_is_refused_with_its_place(line: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_prompts(line, "p.jsonl")
