"""Speed, latency, memory and tasks on an engine whose answers are known."""

from __future__ import annotations

import json
from pathlib import Path

import grid_fake
import pytest

from grid.cells.texts import read_items
from grid.cells.workload import Decode, Latency, Memory, Prefill, Tasks, Workload
from grid.engine import messages
from grid.engine.measure.latency import latency
from grid.engine.measure.meter import Meter
from grid.engine.measure.prompts import prompt_text, token_ids
from grid.engine.measure.run import Loading, measure
from grid.engine.measure.tasks import tasks
from grid.errors import EngineError, InputError, Unsupported

LOADING = Loading(load_s=0.25, baseline_rss_bytes=1000, page_cache_share=1.0)


@pytest.fixture
def engine(tmp_path: Path):
    path = grid_fake.write(tmp_path / "toy.fake")
    with grid_fake.backend.load(path, "cpu", grid_fake.backend.options({}, None)) as loaded:
        yield loaded


class Recorder:
    """Hears the steps that a speed workload takes, in order."""

    bos = 256
    vocabulary = 257
    version = "recorder"

    def __init__(self) -> None:
        self.calls: list[str] = []

    def environment(self):
        return {}

    def memory_report(self):
        return {"kv_buffer_bytes": 7}

    def resize(self, context: int) -> None:
        self.calls.append(f"resize {context}")

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, ids) -> bytes:
        return bytes(ids)

    def reset(self) -> None:
        self.calls.append("reset")

    def truncate(self, tokens: int) -> None:
        self.calls.append(f"truncate {tokens}")

    def prefill(self, ids) -> None:
        self.calls.append(f"prefill {len(ids)}")

    def step(self, token: int) -> None:
        self.calls.append("step")


def values(raw: messages.Raw, name: str) -> tuple[float, ...]:
    return next(series.values for series in raw.series if series.name == name)


def run(engine, workload: Workload) -> messages.Raw:
    return measure(engine, LOADING, messages.Measure(workload=workload, kv_bytes=42), Meter())


def test_prefill_warms_up_with_one_prompt_and_starts_each_from_the_depth() -> None:
    engine = Recorder()
    raw = run(engine, Prefill(8, depth=4, repetitions=2, budget_s=0))
    repetition = ["truncate 4", "prefill 8"]
    assert engine.calls == ["resize 12", "reset", "prefill 4", *(3 * repetition)]
    assert len(values(raw, "prefill_s")) == 2


def test_decode_warms_up_with_one_token_and_starts_each_from_empty() -> None:
    engine = Recorder()
    raw = run(engine, Decode(3, repetitions=2, budget_s=0))
    repetition = ["reset", "step", "step", "step"]
    assert engine.calls == ["resize 3", "reset", "step", *(2 * repetition)]
    assert len(values(raw, "decode_s")) == 2


def test_memory_fills_the_context_and_decodes_a_little() -> None:
    engine = Recorder()
    raw = run(engine, Memory(10))
    assert engine.calls == ["resize 10", "reset", "prefill 6", *["step"] * 4]
    assert raw.scalars["load_s"] == 0.25
    assert raw.scalars["kv_bytes"] == 42
    assert raw.scalars["kv_buffer_bytes"] == 7
    assert raw.scalars["peak_rss_bytes"] > 1_000_000


def test_an_engine_without_a_capability_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="generates"):
        run(Recorder(), Latency(4, 4))


def test_token_ids_begin_with_bos_and_are_the_same_each_time() -> None:
    engine = Recorder()
    ids = token_ids(engine, 50)
    assert ids == token_ids(engine, 50)
    assert ids[0] == 256
    assert len(set(ids)) > 10


@pytest.mark.parametrize("tokens", [1, 17, 100, 1000])
def test_a_prompt_has_as_many_tokens_as_asked(engine, tokens: int) -> None:
    assert len(engine.encode(prompt_text(engine, tokens))) == tokens


def test_latency_times_every_token(engine) -> None:
    outcome = latency(engine, Latency(16, 8, repetitions=3), Meter())
    lengths = {column.name: len(column.values) for column in outcome.series}
    counted = {name: lengths[name] for name in ("ttft_s", "tpot_s", "e2e_s", "itl_s")}
    assert counted == {"ttft_s": 3, "tpot_s": 3, "e2e_s": 3, "itl_s": 3 * 7}
    series = {column.name: column.values for column in outcome.series}
    for first, each, last in zip(series["ttft_s"], series["tpot_s"], series["e2e_s"], strict=True):
        assert each == pytest.approx((last - first) / 7)


def test_one_token_is_too_few_to_time(engine) -> None:
    with pytest.raises(EngineError, match="1 tokens"):
        latency(engine, Latency(16, 1, repetitions=1), Meter())


def ask(engine, folder: Path, *rows: dict[str, object]):
    (folder / "mine.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    items = read_items(str(folder), "mine")
    workload = Tasks("mine", str(folder), items.sha256, len(rows))
    return tasks(engine, workload, Meter()).items


def test_a_choice_is_the_one_with_the_largest_sum(engine, tmp_path: Path) -> None:
    """After `th` the table of byte pairs prefers `e` by far."""
    row = {"id": "1", "kind": "choice", "context": "th", "choices": ["e", "q"], "answer": 0}
    right, wrong = ask(engine, tmp_path, row, {**row, "id": "2", "answer": 1})
    assert (right.score, right.chosen, right.chance) == (1.0, 0, 0.5)
    assert (wrong.score, wrong.chosen) == (0.0, 0)
    assert right.log_likelihoods[0] > right.log_likelihoods[1]


def test_an_exact_item_needs_every_token_to_be_the_likeliest(engine, tmp_path: Path) -> None:
    row = {"id": "1", "kind": "exact", "context": "t", "choices": ["he"], "answer": 0}
    right, wrong = ask(engine, tmp_path, row, {**row, "id": "2", "choices": ["hq"]})
    assert (right.score, right.chance) == (1.0, 0.0)
    assert (wrong.score, wrong.chosen) == (0.0, -1)


def test_space_before_a_choice_belongs_to_the_choice(engine, tmp_path: Path) -> None:
    """A context that ends in a space is scored as the one without, with the space in the choice."""
    row = {"id": "1", "kind": "choice", "context": "cat ", "choices": ["s", "z"], "answer": 0}
    moved = {**row, "id": "2", "context": "cat", "choices": [" s", " z"]}
    with_space, without_space = ask(engine, tmp_path, row, moved)
    assert with_space.log_likelihoods == without_space.log_likelihoods


def test_a_choice_without_a_token_is_unsupported(engine, tmp_path: Path) -> None:
    row = {"id": "odd", "kind": "choice", "context": "cat", "choices": ["", "s"], "answer": 0}
    with pytest.raises((Unsupported, InputError), match=r"odd|choice"):
        ask(engine, tmp_path, row)
