"""The bases that `grid.backend` hands to plugins: options, failures, pins, files, estimates."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import grid.backend
from grid.backend import (
    Declaration,
    EngineError,
    InputError,
    OutOfMemory,
    Unsupported,
    ask_child,
    complete_options,
    embedding_width,
    first_line,
    flag,
    is_out_of_memory,
    logits_bytes,
    noise_batch,
    noise_threads,
    one_of,
    out_of_memory,
    package_version,
    pinned_version,
    token_scores,
    translate_errors,
    whole_number,
    write_whole,
)
from grid.cells.workload import Memory, Quality
from grid.testing.fixtures import make_model

CHECKS = {"threads": whole_number(0, 64), "kind": one_of("fast", "exact"), "mmap": flag}
DEFAULTS = {"threads": 1, "kind": "fast", "mmap": True}
MODEL = make_model(vocabulary=10)


def test_importing_the_contract_is_light() -> None:
    heavy = ("pyarrow", "ray", "duckdb", "subprocess", "grid.models.gguf", "grid.models.checkpoint")
    code = f"import json, sys, grid.backend; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_name_that_is_handed_on_is_there() -> None:
    assert [name for name in grid.backend.__all__ if not hasattr(grid.backend, name)] == []
    with pytest.raises(AttributeError, match="has no attribute 'inspect_onnx'"):
        _ = grid.backend.inspect_onnx  # type: ignore[attr-defined]


# Options


def test_options_are_defaults_and_what_was_requested() -> None:
    assert complete_options("mine", {"kind": "exact"}, CHECKS, DEFAULTS) == {
        "threads": 1,
        "kind": "exact",
        "mmap": True,
    }


@pytest.mark.parametrize(
    ("requested", "message"),
    [
        ({"tread": 1}, "option 'tread' is unknown to mine. Did you mean 'threads'?"),
        ({"threads": 65}, "option threads = 65: write a whole number from 0 to 64"),
        ({"threads": True}, "option threads = True: write a whole number from 0 to 64"),
        ({"kind": "fas"}, "option kind = 'fas' is unknown. Did you mean 'fast'?"),
        ({"kind": 1}, "option kind = 1 is unknown. Known: exact, fast."),
        ({"mmap": 1}, "option mmap = 1: write true or false"),
    ],
)
def test_a_wrong_option_is_one_line_with_a_hint(requested: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        complete_options("mine", requested, CHECKS, DEFAULTS)
    assert str(caught.value) == message


@given(st.integers(1, 65_536))
def test_noise_options_differ_and_are_valid(number: int) -> None:
    assert noise_batch(number) != number
    assert noise_threads(number) != number
    assert noise_threads(number) >= 1


# Failures


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (OSError("Cannot allocate memory"), True),
        (ValueError("out of memory"), False),
        (RuntimeError("no kernel"), False),
    ],
)
def test_want_of_memory_is_recognized(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_a_message_is_cut_to_its_first_line_that_says_something() -> None:
    assert first_line(ValueError("\n  first  \nsecond")) == "first"
    assert first_line(ValueError()) == "ValueError"
    assert len(first_line(ValueError("x" * 1000))) == 300


def test_exceptions_become_errors_of_the_contract() -> None:
    def translate(what: str, error: Exception) -> EngineError | None:
        return out_of_memory(what, error) if is_out_of_memory(error) else None

    line = r"^m: out of memory \(MemoryError\)$"
    with pytest.raises(OutOfMemory, match=line), translate_errors("m", translate):
        raise MemoryError
    with pytest.raises(KeyError), translate_errors("m", translate):
        raise KeyError("x")
    with pytest.raises(Unsupported), translate_errors("m", translate):
        raise Unsupported("out of memory")


# Pins, files, child processes


def test_a_version_is_the_installed_one_else_the_pinned(tmp_path: Path) -> None:
    runtime = tmp_path / "runtime.txt"
    runtime.write_text("# engine\nnumpy==0.1\nno-such-engine==1.4.2 ; sys_platform == 'linux'\n")
    assert pinned_version(runtime, "no-such-engine") == "1.4.2"
    assert package_version("no-such-engine", runtime) == "1.4.2"
    assert package_version("numpy", runtime) == np.__version__


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_weights_appear_whole_or_not_at_all(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "new" / "weights"

    def write(path: Path) -> None:
        if kind == "folder":
            path.mkdir()
            path = path / "model"
        path.write_bytes(b"half")

    def fail(path: Path) -> None:
        write(path)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"), write_whole(target) as path:
        fail(path)
    assert [*target.parent.iterdir()] == []
    with write_whole(target) as path:
        write(path)
    assert [*target.parent.iterdir()] == [target]


def test_a_disk_that_refuses_is_an_engine_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    target = tmp_path / "file" / "weights"
    with pytest.raises(EngineError, match="weights cannot be written: "), write_whole(target):
        pass


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("print('log'); print('{\"ready\": true}')", {"ready": True}),
        (
            "import no_such",
            {"error": "ModuleNotFoundError: No module named 'no_such'"},
        ),
        ("import os; os._exit(7)", {"error": "the library ended its process (7)"}),
    ],
)
def test_a_child_answers_in_json_or_with_the_reason_of_its_end(
    source: str, answer: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "question.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert ask_child("question", timeout_s=60, subject="the library") == answer


# Estimates and scores


def test_logits_are_kept_for_a_text_and_not_for_a_prompt() -> None:
    text = Quality(text="t", text_sha256="0" * 64, context=64, chunks=1)
    assert logits_bytes(MODEL, text, batch=8) == 16 * 64 * 10
    assert logits_bytes(MODEL, Memory(512), batch=8) == 16 * 10


@given(st.integers(1, 10**12), st.integers(1, 10**6))
def test_the_guessed_width_gives_the_parameters_back(parameters: int, vocabulary: int) -> None:
    model = msgspec.structs.replace(MODEL, parameters=parameters, vocabulary=vocabulary)
    width = embedding_width(model)
    assert 12 * len(MODEL.layers) * width**2 + 2 * width * vocabulary == pytest.approx(
        parameters, rel=1e-3
    )


def test_scores_are_log_probabilities_of_the_logits() -> None:
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]], dtype=np.float32)) + 3
    scores = token_scores(logits, [1, 2])
    assert scores.log_probs == pytest.approx(np.log([0.25, 0.8]), abs=1e-6)
    assert scores.argmax.tolist() == [0, 2]


def test_a_declaration_makes_nothing_until_it_says_so() -> None:
    class Plain(Declaration):
        name = "plain"
        runtime = Path("runtime.txt")

    plain = Plain()
    assert (plain.recipes(), plain.quantizer()) == ({}, "")
    availability = plain.unavailable("not installed")
    assert availability.mend == "uv pip install -r runtime.txt"
    assert plain.unavailable("no libnuma", "apt-get install libnuma1").mend.startswith("apt-get")
