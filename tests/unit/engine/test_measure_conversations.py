"""Conversations are scored as the model's chat template renders them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import grid_fake
import msgspec
import pytest
from grid_fake.engine import BOS, BOS_TEXT

from grid.backend import Engine
from grid.cells.conversations import parse_conversations
from grid.cells.texts import read_text
from grid.cells.workload import Quality
from grid.engine.measure.chunks import chunk_ids
from grid.engine.measure.meter import Meter
from grid.engine.measure.model_facts import ModelFacts
from grid.engine.measure.quality import quality
from grid.engine.measure.reference import read_reference, write_reference
from grid.errors import Unsupported

CONTEXT = 32
TEMPLATE = (
    BOS_TEXT + "{% for m in messages %}[{{ m.role }}]{{ m.content }};{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
TALK = """\
{"messages": [{"role": "user", "content": "hello there"}, {"role": "assistant", "content": "hi"}]}
{"messages": [{"role": "user", "content": "does %s say"}, {"role": "assistant", "content": "no"}]}
""".replace("%s", BOS_TEXT)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    path = grid_fake.write(tmp_path / "toy.fake")
    with grid_fake.backend.load(path, "cpu", grid_fake.backend.options({}, None)) as loaded:
        yield loaded


@pytest.fixture
def model(tmp_path: Path) -> ModelFacts:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return ModelFacts(path=folder)


def workload(folder: Path, chunks: int, chat: bool = True) -> Quality:
    (folder / "talk.jsonl").write_text(TALK)
    text = read_text(str(folder / "talk.jsonl"))
    assert text.chat
    return Quality(text.source, text.sha256, CONTEXT, chunks, chat=chat)


def test_conversations_stand_one_after_the_other_as_rendered(
    engine, model: ModelFacts, tmp_path: Path
) -> None:
    (first, second) = parse_conversations(TALK, "talk")
    expected = [BOS, *b"[user]hello there;[assistant]hi;"]
    expected += [BOS, *f"[user]{second[0].content};[assistant]no;".encode()]
    whole = chunk_ids(engine, workload(tmp_path, 2), Meter(), model)
    assert first[0].content == "hello there"
    assert [chunk[0] for chunk in whole] == [BOS, BOS]
    assert [token for chunk in whole for token in chunk][1:CONTEXT] == expected[1:CONTEXT]
    assert whole[1][1:] == expected[CONTEXT + 1 : 2 * CONTEXT]


def test_a_copy_of_the_file_under_another_name_is_conversations_too(
    engine, model: ModelFacts, tmp_path: Path
) -> None:
    """Nodes get texts under the name of their content."""
    original = workload(tmp_path, 2)
    copy = shutil.copy(original.text, tmp_path / "0123.txt")
    moved = msgspec.structs.replace(original, text=str(copy))
    ids = chunk_ids(engine, original, Meter(), model)
    assert chunk_ids(engine, moved, Meter(), model) == ids


def test_the_same_file_as_plain_text_is_another_text(
    engine, model: ModelFacts, tmp_path: Path
) -> None:
    plain = chunk_ids(engine, workload(tmp_path, 2, chat=False), Meter(), model)
    assert bytes(plain[0][1:]) == TALK.encode()[: CONTEXT - 1]


def test_the_reference_and_its_quants_score_the_same_rendered_ids(
    engine, model: ModelFacts, tmp_path: Path
) -> None:
    scored = workload(tmp_path, 2)
    write_reference(engine, scored, tmp_path / "r.npz", Meter(), model)
    chunks = read_reference(str(tmp_path / "r.npz")).tokens.chunks.tolist()
    assert chunks == chunk_ids(engine, scored, Meter(), model)
    outcome = quality(engine, scored, str(tmp_path / "r.npz"), Meter(), model)
    assert "tokenizer" not in outcome.environment
    (kld,) = [series for series in outcome.series if series.name == "kld"]
    assert len(kld.values) == 2 * (CONTEXT // 2 - 1)
    assert max(map(abs, kld.values)) < 1e-9


def test_too_few_conversations_say_how_many_chunks_fit(
    engine, model: ModelFacts, tmp_path: Path
) -> None:
    with pytest.raises(Unsupported, match=r"talk\.jsonl has \d+ tokens here, 9 chunks"):
        chunk_ids(engine, workload(tmp_path, 9), Meter(), model)


def test_a_model_without_a_template_is_named(engine, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    with pytest.raises(Unsupported, match="bare has no chat template"):
        chunk_ids(engine, workload(tmp_path, 2), Meter(), ModelFacts(path=tmp_path / "bare"))


def test_a_conversation_that_the_template_refuses_is_named(
    engine, model: ModelFacts, tmp_path: Path
) -> None:
    (model.path / "chat_template.jinja").write_text(
        "{% if 'say' in messages[0].content %}{{ raise_exception('no') }}{% endif %}x"
    )
    with pytest.raises(Unsupported, match=r"talk\.jsonl, conversation 2: .*fails: no"):
        chunk_ids(engine, workload(tmp_path, 2), Meter(), model)
