"""The texts of a sweep as workloads: files, bundled ones, and those that the reference writes."""

from __future__ import annotations

from pathlib import Path

from grid.cells.conversations import parse_conversations, parse_prompts
from grid.cells.texts import read_text
from grid.cells.workload import Quality
from grid.errors import InputError
from grid.models.identity import digest
from grid.plan.sweep import TextTable

TEMPLATE_TOKENS = 64
"""Most that a chat template adds to a conversation, as far as is known before a model reads it."""


def text_workload(category: str, table: TextTable, base: Path) -> Quality:
    """A text, compared with nothing yet; `table` has its `context` and `chunks`.

    Raises InputError where it cannot be read, or is surely too short.
    """
    context, chunks = table.context or 0, table.chunks or 0
    text = read_text(table.source, base)
    if table.generate:
        _check_prompts(text.text, text.source, table)
        return Quality(
            text.source, "", context, chunks, None, category, True, text.sha256, table.tokens
        )
    if text.chat:
        parse_conversations(text.text, text.source)
    elif (size := len(text.text.encode())) < context * chunks:  # a token is at least one byte
        raise InputError(
            f"{text.source} has {size} bytes, too short for {chunks} chunks of {context} tokens; "
            "lower chunks or context"
        )
    return Quality(text.source, text.sha256, context, chunks, None, category, text.chat)


def written_text_id(workload: Quality, reference: str | None) -> str:
    """Stands for the content of a text that the reference writes, before it is written."""
    return digest("written text", reference, workload.prompts_sha256, workload.answer_tokens)


def _check_prompts(content: str, source: str, table: TextTable) -> None:
    prompts = parse_prompts(content, source)
    size = sum(len(turn.content.encode()) for prompt in prompts for turn in prompt)
    most = size + len(prompts) * (table.tokens + TEMPLATE_TOKENS)
    wanted = (table.context or 0) * (table.chunks or 0)
    if most < wanted:
        raise InputError(
            f"{len(prompts)} prompts of {source} come to at most {most} tokens with {table.tokens} "
            f"of answer each, {table.chunks} chunks of {table.context} need {wanted}; give more "
            "prompts, more tokens, or fewer chunks"
        )
