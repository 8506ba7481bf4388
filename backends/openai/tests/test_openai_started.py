"""llama-cpp-python's own server, started for a GGUF: it gives what llama.cpp gives."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grid_llamacpp
import grid_openai
import numpy as np
import psutil
import pytest
from grid_openai.hosting import Started

from grid.backend import EngineError, HasEndpoint, Unsupported
from grid.models.bundled import size_dir
from grid.testing import local_node
from grid.testing.fixtures import skip_unless_installed

TEXT = "The cat sat on the mat. The dog"
TOKENS = 12


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    skip_unless_installed("llama_cpp", "fastapi", "sse_starlette", "starlette_context")
    target = tmp_path_factory.mktemp("weights") / "small-F16.gguf"
    grid_llamacpp.backend.quantize(size_dir("small"), "F16", target, 1)
    return target


def options(**requested: Any) -> Mapping[str, Any]:
    return grid_openai.backend.options({"threads": 1, **requested}, local_node())


@pytest.fixture(scope="module")
def served(weights: Path) -> Iterator[Any]:
    with grid_openai.backend.load(weights, "cpu", options()) as engine:
        yield engine


@pytest.fixture(scope="module")
def linked(weights: Path) -> Iterator[Any]:
    complete = grid_llamacpp.backend.options({"threads": 1}, local_node())
    with grid_llamacpp.backend.load(weights, "cpu", complete) as engine:
        engine.resize(512)
        yield engine


def prompt(engine: Any) -> list[int]:
    return [*([] if engine.bos is None else [engine.bos]), *engine.encode(TEXT)]


def test_tokens_are_those_of_the_file(served: Any, linked: Any) -> None:
    assert prompt(served) == prompt(linked)
    assert (served.vocabulary, served.prefix) == (linked.vocabulary, linked.prefix)
    assert served.decode(prompt(served)) == linked.decode(prompt(linked))


def test_greedy_tokens_are_the_same(served: Any, linked: Any) -> None:
    ids = prompt(served)
    answers = [list(engine.generate([ids], TOKENS, True, 0)) for engine in (served, linked)]
    assert answers[0] == answers[1]
    assert len(answers[0]) == TOKENS


def test_an_answer_is_left_when_it_is_sent_true(served: Any) -> None:
    stream = served.generate([prompt(served)] * 2, TOKENS, True, 0)
    assert next(stream)[0] == 0
    assert stream.send(True)[0] == 1
    stream.close()


def test_scores_are_those_of_llama_cpp(served: Any, linked: Any) -> None:
    ids = prompt(served)
    requests = [(ids, served.encode(" ran")), (ids, served.encode(" sat on"))]
    for server, library in zip(served.score(requests), linked.score(requests), strict=True):
        assert np.abs(server.log_probs - library.log_probs).max() < 0.02
        answered = server.argmax >= 0
        assert (server.argmax[answered] == library.argmax[answered]).all()


def test_it_answers_where_it_says_and_ends_with_the_engine(weights: Path) -> None:
    with grid_openai.backend.load(weights, "cpu", options()) as engine:
        assert isinstance(engine, HasEndpoint)
        assert engine.endpoint().flavour == "openai"
        children = psutil.Process(os.getpid()).children(recursive=True)
        servers = [child for child in children if "llama_cpp.server" in child.cmdline()]
        assert servers
        report = engine.memory_report()
        assert report["peak_rss_bytes"] > weights.stat().st_size
        mine = [s for s in servers if str(engine.endpoint().url.rpartition(":")[2]) in s.cmdline()]
        assert len(mine) == 1
    assert not mine[0].is_running()


def test_a_longer_context_starts_it_again_and_one_beyond_the_model_is_refused(
    served: Any,
) -> None:
    with pytest.raises(Unsupported, match="tokens of context are needed, the model has"):
        served.resize(10_000_000)


def test_a_server_that_does_not_start_says_why_from_its_log(weights: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(weights.read_bytes())
    inspection = grid_openai.backend.inspect(damaged)
    damaged.write_bytes(weights.read_bytes()[:4096])
    with pytest.raises(EngineError, match=r"llama_cpp.server ended with \d+: .*") as caught:
        Started(damaged, inspection, "cpu", dict(options()))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("program", "message"),
    [("vllm", "serves no GGUF files"), ("llama-server", "no llama-server on the PATH")],
)
def test_programs_that_cannot_serve_it(
    program: str, message: str, weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(EngineError, match=message),
        grid_openai.backend.load(weights, "cpu", options(serve=program)),
    ):
        pass
