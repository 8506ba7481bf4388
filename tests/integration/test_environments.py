"""A backend's environment: made once, whole or not at all, and the engine runs in it."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grid_fake
import pytest

import grid as quantgrid
from grid.cli.backends import install_backends
from grid.cli.sweep import ensure_environments
from grid.engine import environments, messages
from grid.engine.environments import (
    THIS_INTERPRETER,
    availability,
    ensure_environment,
    find_interpreter,
)
from grid.engine.process import EngineProcess
from grid.errors import EngineError
from grid.hardware.node import Node
from grid.plan.load import load_sweep
from grid.sweep.executors.executor_name import ExecutorName
from grid.sweep.node_report import report
from grid.sweep.planner import Planner, StoreSnapshot, plan_for_node
from grid.sweep.progress import PlainProgress
from grid.sweep.run import local_executor, run_sweep

Runtime = Callable[[str], Path]

NODE = Node(name="n", system="s", chip="c", cores=1, memory_bytes=2**34, bandwidth_bytes_s=1e10)


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """Gives the fake backend a requirements file, and this test a cache of its own."""
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path / "cache"))

    def write(text: str) -> Path:
        path = tmp_path / "grid_fake" / "runtime.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        monkeypatch.setattr(type(grid_fake.backend), "runtime", path)
        return path

    return write


def test_a_runtime_that_this_interpreter_has_needs_no_environment(runtime: Runtime) -> None:
    import msgspec

    runtime(f"# comment\nmsgspec=={msgspec.__version__}\nnothing==1; sys_platform == 'nowhere'\n")
    assert find_interpreter("fake", NODE) == THIS_INTERPRETER


def test_an_environment_is_made_once_and_remade_where_it_is_incomplete(runtime: Runtime) -> None:
    runtime("six==1.16.0\n")
    assert find_interpreter("fake", NODE) is None
    state = availability("fake", NODE)
    assert (state.ready, state.reason) == (False, "environment not made yet")
    assert state.mend == "grid backends install fake"
    lines: list[str] = []
    interpreter = ensure_environment("fake", NODE, lines.append)
    assert any("six==1.16.0" in line for line in lines)
    assert _six_of(interpreter.python) == "1.16.0"
    lines.clear()
    assert ensure_environment("fake", NODE, lines.append) == interpreter
    assert lines == []
    folder = Path(interpreter.python).parents[1]
    (folder / "environment.json").unlink()
    assert availability("fake", NODE).reason == "environment half made"
    assert ensure_environment("fake", NODE, lines.append) == interpreter
    assert lines != []


def _six_of(python: str) -> str:
    code = "import six; print(six.__version__)"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_engine_runs_in_its_environment_and_sees_no_package_of_ours(
    runtime: Runtime, tmp_path: Path
) -> None:
    runtime("six==1.16.0\n")
    interpreter = ensure_environment("fake", NODE)
    path = grid_fake.write(tmp_path / "toy.fake")
    options = grid_fake.backend.options({}, NODE)
    with EngineProcess(interpreter.python, interpreter.imports) as process:
        load = messages.Load(backend="fake", path=str(path), device="cpu", options=options)
        reply = process.ask(load, 60)
    assert isinstance(reply, messages.Loaded)
    assert reply.engine_version == "fake 1"
    code = "import grid.engine.host, grid_fake, importlib.util as u; print(u.find_spec('rich'))"
    done = subprocess.run(
        [interpreter.python, "-c", code],
        env={"PYTHONPATH": str(interpreter.imports), "QUANTGRID_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "None"


def test_other_pins_are_another_environment(runtime: Runtime) -> None:
    runtime("six==1.16.0\n")
    first = ensure_environment("fake", NODE)
    runtime("six==1.15.0\n")
    assert find_interpreter("fake", NODE) is None
    assert ensure_environment("fake", NODE).python != first.python


def test_a_probe_in_the_environment_is_asked_once(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime("six==1.16.0\n")
    ensure_environment("fake", NODE)
    assert availability("fake", NODE).version == "fake 1"
    monkeypatch.setattr(environments, "EngineProcess", None)  # a second question would fail
    assert availability("fake", NODE).devices == ("cpu",)


def test_a_failed_install_raises_the_last_line_of_the_installer_and_leaves_no_environment(
    runtime: Runtime, tmp_path: Path
) -> None:
    runtime("quantgrid-no-such-package==9.9\n")
    with pytest.raises(EngineError) as caught:
        ensure_environment("fake", NODE)
    message = str(caught.value)
    assert message.startswith("no environment for fake: the installer failed (exit code 1)")
    assert "quantgrid-no-such-package" in message
    assert "\n" not in message
    names = [path.name for path in (tmp_path / "cache" / "environments").iterdir()]
    assert [name for name in names if not name.startswith(".")] == []


def test_a_failed_rebuild_keeps_the_working_environment(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime("six==1.16.0\n")
    interpreter = ensure_environment("fake", NODE)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "1")
    with pytest.raises(EngineError, match="no environment for fake"):
        ensure_environment("fake", NODE, rebuild=True)
    assert find_interpreter("fake", NODE) == interpreter
    assert _six_of(interpreter.python) == "1.16.0"


def test_a_damaged_probe_file_is_probed_again(runtime: Runtime) -> None:
    runtime("six==1.16.0\n")
    interpreter = ensure_environment("fake", NODE)
    availability("fake", NODE)
    (answer,) = Path(interpreter.python).parents[1].glob("probe-*.json")
    answer.write_bytes(b"")
    assert availability("fake", NODE).version == "fake 1"


def test_an_error_of_a_probe_makes_its_backend_unavailable(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object, node: Node) -> None:
        raise RuntimeError("driver too old")

    monkeypatch.setattr(type(grid_fake.backend), "probe", broken)
    state = availability("fake", NODE)
    assert (state.ready, state.reason) == (False, "its probe failed: driver too old")


def test_two_threads_make_the_same_environment_once(runtime: Runtime) -> None:
    runtime("six==1.16.0\n")
    lines: list[list[str]] = [[], []]
    with ThreadPoolExecutor(2) as pool:
        interpreters = list(
            pool.map(lambda printed: ensure_environment("fake", NODE, printed.append), lines)
        )
    assert interpreters[0] == interpreters[1]
    assert sum(bool(printed) for printed in lines) == 1
    assert _six_of(interpreters[0].python) == "1.16.0"


def test_installing_continues_after_an_environment_that_cannot_be_made(
    runtime: Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime("quantgrid-no-such-package==9.9\n")
    assert install_backends(["fake", "llamacpp"], NODE) == 1
    printed = capsys.readouterr().out
    assert "fake: no environment for fake" in printed
    assert "llamacpp: ready, needs no environment of its own" in printed


def test_another_backend_gives_the_reference_where_the_first_cannot_run(
    runtime: Runtime, tmp_path: Path
) -> None:
    runtime("quantgrid-no-such-package==9.9\n")
    path = tmp_path / "two.toml"
    path.write_text(SWEEP.replace('"memory"]', '"quality"]'))
    sweep = load_sweep(path)
    broken = ensure_environments(sweep.backends, NODE)
    assert list(broken) == ["fake"]
    plan = plan_for_node(
        sweep, report(sweep.backends, broken, NODE), StoreSnapshot(str(tmp_path / "rows"))
    )
    assert {cell.backend for cell in plan.cells} == {"llamacpp"}
    assert {cell.backend for cell in plan.references.values()} == {"llamacpp"}
    assert {skip.reason for skip in plan.skipped} == set(broken.values())


SWEEP = """
backends = ["fake", "llamacpp"]
measures = ["memory"]
quants = ["F16"]
[[models]]
source = "ref:small"
[memory]
context = 64
"""


def _final_attempts(folder: Path, text: str) -> dict[str, tuple[str, str]]:
    """Status and reason of the newest attempt of each backend's one cell."""
    path = folder / "two.toml"
    path.write_text(text)
    sweep = load_sweep(path)
    store = str(folder / "rows")
    executor = local_executor(sweep, report(sweep.backends, node=NODE), ExecutorName.inline)
    run_sweep(executor, Planner(sweep, store), store, PlainProgress())
    final = quantgrid.open(store).final().to_pylist()
    return {row["backend"]: (row["status"], row["reason"]) for row in final}


@pytest.mark.engine
def test_a_sweep_runs_without_an_environment_that_cannot_be_made_and_makes_it_later(
    runtime: Runtime, tmp_path: Path
) -> None:
    if importlib.util.find_spec("llama_cpp") is None:
        pytest.skip("llama-cpp-python is not installed")
    runtime("quantgrid-no-such-package==9.9\n")
    attempts = _final_attempts(tmp_path, SWEEP)
    assert attempts["llamacpp"][0] == "ok"
    status, reason = attempts["fake"]
    assert status == "error"
    assert "no environment for fake" in reason
    assert "quantgrid-no-such-package" in reason
    runtime("six==1.16.0\n")
    assert {status for status, _ in _final_attempts(tmp_path, SWEEP).values()} == {"ok"}
