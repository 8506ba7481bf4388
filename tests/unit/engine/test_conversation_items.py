"""Items of several turns: each question follows the model's own answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grid_fake
import msgspec
import pytest

from grid.cells.items import TURN_BREAK, Item, after_answer, item_fault
from grid.cells.measurement import ItemResult
from grid.cells.texts import read_items
from grid.cells.workload import Tasks
from grid.engine.measure.meter import Meter
from grid.engine.measure.model_facts import ModelFacts
from grid.engine.measure.tasks import tasks
from grid.plan.item_facts import item_facts

TEMPLATE = (
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)
ROW: dict[str, object] = {
    "id": "1",
    "kind": "generate",
    "context": "the t",
    "choices": [],
    "answer": 0,
    "max_tokens": 8,
    "scoring": "judge",
    "document": "{}",
    "turns": ["go on"],
}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Any]:
    path = grid_fake.write(tmp_path / "toy.fake")
    with grid_fake.backend.load(path, "cpu", grid_fake.backend.options({}, None)) as loaded:
        yield loaded


@pytest.fixture
def prompts(engine: Any) -> list[str]:
    """Every prompt that the engine continues."""
    texts: list[str] = []
    generate = engine.generate

    def recorded(ids: list[list[int]], *how: Any, **named: Any) -> Any:
        texts.extend(engine.decode(prompt).decode() for prompt in ids)
        return generate(ids, *how, **named)

    engine.generate = recorded
    return texts


def answer(
    engine: Any, folder: Path, *rows: dict[str, object], chat: bool = True, context: int = 0
) -> tuple[ItemResult, ...]:
    (folder / "mine.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    items = read_items(str(folder), "mine")
    workload = Tasks("instruction", str(folder), items.sha256, len(rows), task="mine", chat=chat)
    model = ModelFacts(path=folder, context_length=context)
    return tasks(engine, workload, Meter(), model).items


def test_the_second_question_follows_the_answer_to_the_first(
    engine: Any, tmp_path: Path, prompts: list[str]
) -> None:
    (result,) = answer(engine, tmp_path, ROW)
    first, second = result.response.split(TURN_BREAK)
    assert len(first) == len(second) == 8
    opening = "[user]the t[assistant] "
    assert prompts == [opening, f"[user]the t[assistant]{first}[user]go on[assistant] "]
    assert (result.tokens, result.finish) == (16, "length")


def test_without_a_template_the_texts_follow_one_another(
    engine: Any, tmp_path: Path, prompts: list[str]
) -> None:
    (result,) = answer(engine, tmp_path, ROW, chat=False)
    first = result.response.split(TURN_BREAK)[0]
    assert prompts == ["the t", f"the t{first}\n\ngo on"]


def test_conversations_of_other_lengths_stand_in_the_order_of_the_items(
    engine: Any, tmp_path: Path
) -> None:
    rows = [{**ROW, "id": str(n), "turns": ["go on"] * n} for n in (2, 0, 1)]
    results = answer(engine, tmp_path, *rows)
    assert [result.item for result in results] == ["2", "0", "1"]
    assert [len(result.response.split(TURN_BREAK)) for result in results] == [3, 1, 2]


def test_a_turn_that_does_not_fit_ends_the_conversation_with_a_note(
    engine: Any, tmp_path: Path
) -> None:
    (result,) = answer(engine, tmp_path, ROW, context=36)
    assert TURN_BREAK not in result.response
    assert (result.finish, result.tokens) == ("length", 8)
    assert result.note.startswith("turn 2: ")
    assert "do not fit the model's context of 36" in result.note


def test_an_item_whose_first_turn_does_not_fit_is_unanswered(engine: Any, tmp_path: Path) -> None:
    (result,) = answer(engine, tmp_path, ROW, context=20)
    assert (result.finish, result.response) == ("unanswered", "")


def item(**changes: Any) -> Item:
    return msgspec.convert({**ROW, **changes}, Item)


def test_an_answer_and_the_next_question_join_the_conversation() -> None:
    following = after_answer(item(), "ok")
    assert [(m.role, m.content) for m in following.messages] == [
        ("user", "the t"),
        ("assistant", "ok"),
        ("user", "go on"),
    ]
    assert following.turns == ()


def test_turns_go_with_a_judge_only() -> None:
    assert item_fault(item()) == ""
    assert "turns go with" in item_fault(item(scoring="exact", answers=["a"]))
    assert "names the judge" in item_fault(item(document=""))


def test_the_plan_counts_every_turn() -> None:
    facts = item_facts([item(context="x" * 40, turns=["y" * 20], max_tokens=100)])
    assert facts.written == 100
    assert facts.read == 10 + (10 + 50 + 5)
