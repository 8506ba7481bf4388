"""The commands that serve a file: options for what is requested, and a server that answers."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from grid_llamacpp import backend
from real_models import python_packages, smollm2

from grid.backend import Artifact, ServeRequest, ShellCommand, Unsupported
from grid.testing import Case, check, local_node
from grid.testing.fixtures import make_model

MEASURED = {"threads": 6, "threads_batch": 6, "batch": 2048, "ubatch": 512, "gpu_layers": 0}
SERVER = [
    "fastapi==0.165.0",
    "pydantic-settings==2.16.3",
    "sse-starlette==3.7.0",
    "starlette==1.10.0",
    "starlette-context==0.3.6",
    "uvicorn==0.54.0",
]
"""What llama-cpp-python's extra `server` wants beside it."""

START_S = 120.0


def artifact(path: str = "/m/base-Q4_K_M.gguf") -> Artifact:
    return Artifact(model=make_model(name="Base 8B"), format="gguf", quant="Q4_K_M", path=path)


def programs(request: ServeRequest, path: str = "/m/base-Q4_K_M.gguf") -> dict[str, str]:
    return {c.program: c.text(width=1000) for c in backend.serve_command(artifact(path), request)}


def test_llama_server_has_the_context_of_each_session_and_measured_threads() -> None:
    request = ServeRequest(context=8192, sessions=4, options=MEASURED)
    assert programs(request)["llama-server"] == (
        "llama-server -m /m/base-Q4_K_M.gguf -c 32768 -np 4 -ngl 0 -t 6 --jinja"
    )


def test_on_other_hardware_the_layers_are_its_own_and_threads_the_programs() -> None:
    request = ServeRequest(context=4096, platform="cuda", options=MEASURED, same_hardware=False)
    assert programs(request)["llama-server"] == (
        "llama-server -m /m/base-Q4_K_M.gguf -c 4096 -np 1 -ngl 999 --jinja"
    )
    assert "--n_gpu_layers -1" in programs(request)["llama-cpp-python"]
    assert "PARAMETER num_gpu 999" in programs(request)["ollama"]


def test_cards_share_the_model_as_they_did_when_it_was_measured() -> None:
    options = {**MEASURED, "gpu_layers": -1, "split_mode": "row", "tensor_split": "3,1"}
    request = ServeRequest(context=4096, platform="cuda", options=options)
    assert programs(request) == {
        "llama-server": "llama-server -m /m/base-Q4_K_M.gguf -c 4096 -np 1 -ngl 999 -sm row "
        "-ts 3,1 --jinja"
    }
    elsewhere = ServeRequest(context=4096, platform="cuda", options=options, same_hardware=False)
    assert "-sm" not in programs(elsewhere)["llama-server"]


def test_a_quantized_cache_brings_flash_attention() -> None:
    texts = programs(ServeRequest(context=4096, kv_type="q8_0", options=MEASURED))
    assert "-fa on -ctk q8_0 -ctv q8_0" in texts["llama-server"]
    assert "--flash_attn true --type_k 8 --type_v 8" in texts["llama-cpp-python"]
    settings = "OLLAMA_FLASH_ATTENTION=1 OLLAMA_KV_CACHE_TYPE=q8_0 ollama serve &"
    assert settings in texts["ollama"]


def test_experts_in_main_memory_leave_only_the_program_that_can_place_them() -> None:
    request = ServeRequest(context=4096, platform="cuda", cpu_expert_layers=20, options=MEASURED)
    assert programs(request) == {
        "llama-server": "llama-server -m /m/base-Q4_K_M.gguf -c 4096 -np 1 -ngl 0 "
        "--n-cpu-moe 20 -t 6 --jinja"
    }


def test_experts_beside_all_layers_on_the_card() -> None:
    request = ServeRequest(
        context=4096, platform="cuda", gpu_layers=48, cpu_expert_layers=20, same_hardware=False
    )
    assert "-ngl 48 --n-cpu-moe 20" in programs(request)["llama-server"]


def test_ollama_takes_few_types_of_cache_and_no_split_file() -> None:
    assert "ollama" not in programs(ServeRequest(context=4096, kv_type="q5_1"))
    parts = "/m/base-Q4_K_M-00001-of-00003.gguf"
    assert "ollama" not in programs(ServeRequest(context=4096), parts)


def test_a_modelfile_says_the_context_and_has_the_path_as_it_is() -> None:
    (ollama,) = (
        command
        for command in backend.serve_command(
            artifact("/my models/a.gguf"), ServeRequest(context=4096, options=MEASURED)
        )
        if command.program == "ollama"
    )
    assert ollama.files == {
        "base-8b-q4_k_m.Modelfile": "FROM /my models/a.gguf\nPARAMETER num_ctx 4096\n"
        "PARAMETER num_gpu 0\nPARAMETER num_thread 6\n"
    }


def test_a_type_of_cache_that_ggml_lacks_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(Unsupported, match="keeps no cache of fp8; it takes f32, f16"):
        backend.serve_command(artifact(), ServeRequest(context=4096, kv_type="fp8"))


@pytest.fixture(scope="module")
def server_packages() -> Path:
    return python_packages("llama-cpp-python-server", SERVER)


@pytest.mark.engine
def test_the_servers_own_parser_accepts_the_command(
    server_packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(server_packages))
    case = Case(backend, smollm2(), local_node())
    assert check("the_engine_accepts_its_serve_commands", case) == "ran"


@pytest.mark.engine
def test_the_served_model_answers_with_the_context_that_was_requested(
    server_packages: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "models of mine"
    folder.mkdir()
    path = folder / "smol.gguf"
    path.symlink_to(smollm2())
    request = ServeRequest(
        context=768, kv_type="q8_0", options=backend.options({"threads": 1}, local_node())
    )
    (command,) = (
        command
        for command in backend.serve_command(artifact(str(path)), request)
        if command.program == "llama-cpp-python"
    )
    log = tmp_path / "server.log"
    with serving(command.commands[0], server_packages, log) as url:
        answer = ask(url, "What is the capital of France? Answer in one word.")
        assert "Paris" in answer["choices"][0]["message"]["content"]
        too_long = ask(url, "word " * 900)
        assert "maximum context length is 768 tokens" in too_long["error"]["message"]
    printed = log.read_text(errors="replace")
    assert re.search(r"n_ctx +=\s+768\b", printed)
    assert re.search(r"\b768 cells.* K \(q8_0\).* V \(q8_0\)", printed)


@contextmanager
def serving(command: ShellCommand, packages: Path, log: Path) -> Iterator[str]:
    """The server of a command as a shell starts it, on a free port; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = command.text().replace("python ", f"exec {shlex.quote(sys.executable)} ", 1)
    variables = {**os.environ, "PYTHONPATH": str(packages), "HOST": "127.0.0.1", "PORT": str(port)}
    with log.open("wb") as out:
        process = subprocess.Popen(["bash", "-c", line], env=variables, stdout=out, stderr=out)
    try:
        url = f"http://127.0.0.1:{port}/v1"
        wait_until_it_answers(f"{url}/models", process, log)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.URLError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"no answer within {START_S} s: {log.read_text(errors='replace')[-2000:]}")


def ask(url: str, question: str) -> dict[str, Any]:
    body = {"messages": [{"role": "user", "content": question}], "max_tokens": 16, "temperature": 0}
    request = urllib.request.Request(
        f"{url}/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as reply:
            answer: dict[str, Any] = json.load(reply)
    except urllib.error.HTTPError as error:
        answer = json.load(error)
    return answer
