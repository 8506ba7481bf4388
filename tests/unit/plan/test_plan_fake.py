"""The fake backend is an installed plugin, deterministic, and fails for real where asked to."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import grid_fake
import numpy as np
import pytest
from grid_fake.engine import PROSE, FakeEngine
from plan_helpers import NODE

from grid.backend import Generates, Logits, Quantizes, Scores, Steps, Tokenizes
from grid.backend.registry import backend
from grid.errors import EngineError, InputError, OutOfMemory, Unsupported
from grid.testing.resident_memory import resident_bytes

TEXT = "the man and the sea were with the others"


def engine(path: Path, **options: Any) -> FakeEngine:
    with grid_fake.backend.load(path, "cpu", grid_fake.backend.options(options, NODE)) as loaded:
        return loaded


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return grid_fake.write(tmp_path / "x.fake")


def quantized(model: Path, recipe: str) -> Path:
    target = model.with_name(f"{recipe}.fake")
    grid_fake.backend.quantize(model, recipe, target, 1)
    return target


def loss(loaded: FakeEngine) -> float:
    ids = loaded.encode(PROSE)
    (scores,) = loaded.score([(ids[:1], ids[1:])])
    return float(-scores.log_probs.mean())


def test_fake_backend_is_an_installed_plugin() -> None:
    assert backend("fake") is grid_fake.backend


def test_fake_engine_has_every_declared_capability(model: Path) -> None:
    for protocol in (Tokenizes, Scores, Logits, Steps, Generates):
        assert isinstance(engine(model), protocol)
    assert isinstance(grid_fake.backend, Quantizes)


def test_text_survives_the_tokenizer(model: Path) -> None:
    loaded = engine(model)
    assert loaded.decode(loaded.encode("Ünïcödé")) == "Ünïcödé".encode()


def test_the_same_file_gives_the_same_logits(model: Path) -> None:
    first, second = engine(model), engine(model, threads=2)
    assert np.array_equal(first.logits([1, 2, 3]), second.logits([1, 2, 3]))


def test_scores_are_the_softmax_of_the_logits(model: Path) -> None:
    loaded = engine(model)
    ids = loaded.encode(TEXT)
    rows = loaded.logits(ids, 3)[:-1].astype(np.float64)
    expected = rows - np.log(np.exp(rows).sum(axis=1, keepdims=True))
    (scores,) = loaded.score([(ids[:4], ids[4:])])
    assert scores.log_probs == pytest.approx(expected[np.arange(len(ids) - 4), ids[4:]])
    assert scores.argmax.tolist() == expected.argmax(axis=1).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_fewer_bits_are_worse(tmp_path: Path, seed: int) -> None:
    model = grid_fake.write(tmp_path / "x.fake", seed=seed)
    losses = [loss(engine(quantized(model, recipe))) for recipe in ("F16", "Q8", "Q4", "Q2")]
    assert losses[0] == loss(engine(model))
    assert losses == sorted(losses)
    assert losses[3] > losses[0] + 0.1


def test_fewer_bits_are_smaller(model: Path) -> None:
    sizes = [quantized(model, recipe).stat().st_size for recipe in ("F16", "Q8", "Q4", "Q2")]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == pytest.approx(200_000, rel=0.01)


def test_the_noise_options_change_little_but_something(model: Path) -> None:
    usual = grid_fake.backend.options({}, NODE)
    noisy = engine(model, batch=grid_fake.backend.noise_options(usual)["batch"])
    difference = np.abs(noisy.logits([1, 2]) - engine(model).logits([1, 2]))
    assert 0 < difference.max() < 1e-3


def test_generation_is_greedy_and_as_long_as_asked(model: Path) -> None:
    loaded = engine(model)
    tokens = [token for _, token in loaded.generate([[256]], 5, ignore_eos=True, seed=0)]
    expected = [256]
    for _ in range(5):
        expected.append(int(loaded.logits(expected)[-1].argmax()))
    assert tokens == expected[1:]


def test_steps_beyond_the_context_are_refused(model: Path) -> None:
    loaded = engine(model)
    loaded.resize(4)
    loaded.prefill([1, 2, 3, 4])
    with pytest.raises(Unsupported, match="5 tokens do not fit the context of 4"):
        loaded.step(5)
    loaded.truncate(2)
    loaded.prefill([5])
    loaded.step(6)


def test_inspection_agrees_with_the_file(tmp_path: Path) -> None:
    path = grid_fake.write(tmp_path / "y.fake", name="y", quant="Q4", bits=4, parameters=800)
    inspection = grid_fake.backend.inspect(path)
    assert (inspection.model.name, inspection.model.parameters, inspection.quant) == (
        "y",
        800,
        "Q4",
    )
    assert (inspection.facts.bytes, inspection.facts.bpw_layer) == (path.stat().st_size, 4.0)


def test_a_folder_of_weights_is_converted(tmp_path: Path) -> None:
    config = {"max_position_embeddings": 99, "num_hidden_layers": 3, "hidden_size": 8}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(bytes(1000))
    grid_fake.backend.quantize(tmp_path, "F16", tmp_path / "c.fake", 1)
    model = grid_fake.backend.inspect(tmp_path / "c.fake").model
    assert (model.parameters, model.context_length, len(model.layers)) == (500, 99, 3)


def test_a_quantized_file_is_not_quantized_again(model: Path) -> None:
    with pytest.raises(EngineError, match="16 are needed"):
        grid_fake.backend.quantize(quantized(model, "Q4"), "Q2", model.with_name("z.fake"), 1)


def test_the_broken_recipe_breaks(model: Path) -> None:
    with pytest.raises(EngineError, match="always fails"):
        quantized(model, "BROKEN")


@pytest.mark.parametrize(
    ("requested", "message"),
    [
        ({"oom_on": "stap"}, "unknown engine call 'stap'. Did you mean 'step'"),
        ({"thread": 1}, "unknown option 'thread'. Did you mean 'threads'"),
        ({"threads": "1"}, "threads: expected int, got str"),
        ({"threads": True}, "threads: expected int, got bool"),
    ],
)
def test_wrong_options_are_refused(requested: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        grid_fake.backend.options(requested, NODE)


def test_oom_on_raises_out_of_memory_at_that_call(model: Path) -> None:
    loaded = engine(model, oom_on="step")
    loaded.prefill([1])
    with pytest.raises(OutOfMemory):
        loaded.step(1)
    with pytest.raises(OutOfMemory):
        engine(model, oom_on="load")


def test_unsupported_on_raises_unsupported_at_that_call(model: Path) -> None:
    with pytest.raises(Unsupported):
        engine(model, unsupported_on="prefill,logits").logits([1])


def test_failures_can_be_confined_to_a_quant(model: Path) -> None:
    confined = {"oom_on": "logits", "fail_quant": "Q4"}
    engine(model, **confined).logits([1])
    with pytest.raises(OutOfMemory):
        engine(quantized(model, "Q4"), **confined).logits([1])


def test_allocate_mib_is_held_by_the_process(model: Path) -> None:
    before = resident_bytes()
    held = engine(model, allocate_mib=64)
    assert resident_bytes() - before > 60 * 2**20
    assert held.vocabulary == 257


def child(model: Path, **options: str) -> subprocess.Popen[str]:
    """A process that loads the model, says so, and takes one step."""
    program = (
        "import grid_fake, sys, pathlib; b = grid_fake.backend\n"
        f"with b.load(pathlib.Path(sys.argv[1]), 'cpu', b.options({options!r}, None)) as e:\n"
        "    print('loaded', flush=True); e.step(1); print('done', flush=True)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, str(model)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_a_crash_kills_the_process(model: Path) -> None:
    with child(model, crash_on="step") as process:
        assert process.communicate()[0] == "loaded\n"
    assert process.returncode == -signal.SIGABRT


def test_a_hang_does_not_end(model: Path) -> None:
    with child(model, hang_on="step") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loaded\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.3)
        process.kill()
