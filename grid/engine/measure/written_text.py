"""A text that a model writes itself: its answers to prompts, as conversations."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from grid.backend import Engine
from grid.cells.conversations import parse_prompts
from grid.cells.items import Item, Message
from grid.cells.texts import read_text
from grid.cells.workload import Quality, Tasks
from grid.engine.measure.conversation import PromptTokenizer
from grid.engine.measure.meter import Meter
from grid.engine.measure.model_facts import ModelFacts
from grid.engine.measure.task_prompts import TaskPrompts
from grid.engine.measure.written_items import written_items
from grid.errors import Unsupported

WRITTEN_TEXT_FORMAT = 1
"""Raised whenever the same prompts would be answered otherwise."""


def write_text(
    engine: Engine, workload: Quality, target: Path, meter: Meter, model: ModelFacts
) -> None:
    """Answer each prompt of the workload, through the model's chat template and always by the
    likeliest token, and write the conversations as JSON lines, whole.

    Prompts without an answer (the context does not hold them, or the model ends at once) are left
    out. Raises Unsupported for a model without a template, or where no answer comes of any.
    """
    prompts = parse_prompts(read_text(workload.text).text, workload.text)
    items = [
        Item(
            id=str(number),
            kind="generate",
            context=prompt[-1].content,
            choices=(),
            answer=0,
            messages=prompt,
            max_tokens=workload.answer_tokens,
        )
        for number, prompt in enumerate(prompts, start=1)
    ]
    of_items = Tasks("", workload.text, "", len(items), chat=True)
    template = model.require_chat_template()
    shown = TaskPrompts(of_items, PromptTokenizer(engine), template, model.context_length)
    answers = [result.response.strip() for result in written_items(engine, shown, items, meter)]
    lines = [
        msgspec.json.encode({"messages": [*prompt, Message("assistant", answer)]}) + b"\n"
        for prompt, answer in zip(prompts, answers, strict=True)
        if answer
    ]
    if not lines:
        raise Unsupported(
            f"the model answers none of the {len(prompts)} prompts of {workload.text}"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{os.getpid()}.{target.name}")
    temporary.write_bytes(b"".join(lines))
    temporary.replace(target)
