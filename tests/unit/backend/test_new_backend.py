"""Beginning a backend: names, folders, and what stands in the files."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.backend.new_backend import contents, new_backend
from grid.backend.new_backend.template import plugin as toy
from grid.errors import InputError

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,6}([-_][a-z0-9]{1,6}){0,2}", fullmatch=True)


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_four_files_are_made(working_folder: Path) -> None:
    new_backend("my_engine")
    assert files(working_folder / "quantgrid-my-engine") == [
        "grid_my_engine/__init__.py",
        "grid_my_engine/runtime.txt",
        "pyproject.toml",
        "test_my_engine.py",
    ]


def test_a_folder_can_be_named(working_folder: Path) -> None:
    new_backend("mine", working_folder / "deep" / "down")
    assert len(files(working_folder / "deep" / "down")) == 4


def test_the_files_made_and_the_next_steps_are_listed(working_folder: Path) -> None:
    lines = new_backend("mine").splitlines()
    assert lines[0] == "made quantgrid-mine/pyproject.toml"
    assert "    cd quantgrid-mine" in lines
    assert any("pip install -e ." in line for line in lines)


@settings(deadline=None)
@given(NAMES)
def test_a_name_goes_to_the_distribution_the_module_and_the_entry_point(name: str) -> None:
    texts = contents(name)
    project = tomllib.loads(texts["pyproject.toml"])
    module = f"grid_{name.replace('-', '_')}"
    assert project["project"]["name"] == f"quantgrid-{name.replace('_', '-')}"
    assert project["project"]["entry-points"]["quantgrid.backends"] == {name: f"{module}:backend"}
    assert project["tool"]["uv"]["build-backend"]["module-name"] == module
    assert f"{module}/__init__.py" in texts


@settings(deadline=None)
@given(NAMES)
def test_no_trace_of_the_template_is_left_and_python_can_read_it(name: str) -> None:
    for path, text in contents(name).items():
        assert "myengine" not in text.replace(name, "")
        if path.endswith(".py"):
            compile(text, path, "exec")


@pytest.mark.parametrize("name", ["", "9", "My", "a b", "a.b", "-a", "a-", "a__b", "ä", "../x"])
def test_a_name_that_cannot_be_one_is_refused(working_folder: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be a backend's name") as caught:
        new_backend(name)
    assert "\n" not in str(caught.value)
    assert files(working_folder) == []


def test_a_near_name_is_offered(working_folder: Path) -> None:
    with pytest.raises(InputError, match=r"Try 'my_engine'\.$"):
        new_backend("My Engine!")


def test_the_name_of_an_installed_backend_is_refused(working_folder: Path) -> None:
    with pytest.raises(InputError, match="'fake' is installed already"):
        new_backend("fake")


def test_the_name_of_a_format_that_is_read_already_is_refused(working_folder: Path) -> None:
    with pytest.raises(InputError, match="'gguf' is a format that"):
        new_backend("gguf")


def test_a_folder_that_holds_something_is_left_as_it_is(working_folder: Path) -> None:
    (working_folder / "quantgrid-mine").mkdir()
    (working_folder / "quantgrid-mine" / "kept").write_text("kept")
    with pytest.raises(InputError, match="quantgrid-mine is there already"):
        new_backend("mine")
    assert files(working_folder) == ["quantgrid-mine/kept"]


def test_an_empty_folder_will_do(working_folder: Path) -> None:
    (working_folder / "quantgrid-mine").mkdir()
    new_backend("mine")
    assert len(files(working_folder / "quantgrid-mine")) == 4


def test_a_file_in_the_place_of_the_folder_is_refused(working_folder: Path) -> None:
    (working_folder / "quantgrid-mine").write_text("a file")
    with pytest.raises(InputError, match="is there already"):
        new_backend("mine")


def test_a_folder_that_cannot_be_written_is_one_line(working_folder: Path) -> None:
    (working_folder / "file").write_text("in the way")
    with pytest.raises(InputError, match="Not a directory"):
        new_backend("mine", working_folder / "file" / "mine")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_one_line(working_folder: Path) -> None:
    working_folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(InputError, match="Permission denied"):
        new_backend("mine")


def test_the_files_are_as_ruff_wants_them(working_folder: Path) -> None:
    new_backend("mine")
    folder = working_folder / "quantgrid-mine"
    ruff = [sys.executable, "-m", "ruff"]
    for command in (  # this package's imports stand apart here, and among the others there
        [*ruff, "check", "--isolated", "--line-length", "100", "--ignore", "I001", "."],
        [*ruff, "format", "--isolated", "--line-length", "100", "--check", "."],
    ):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_command_makes_it_and_refuses_in_one_line(working_folder: Path) -> None:
    command = [sys.executable, "-m", "grid", "backends", "new"]
    first = subprocess.run([*command, "mine"], capture_output=True, text=True, check=False)
    second = subprocess.run([*command, "mine"], capture_output=True, text=True, check=False)
    assert (first.returncode, first.stderr) == (0, "")
    assert (second.returncode, second.stdout) == (2, "")
    assert second.stderr.count("\n") == 1


# The toy itself


@settings(deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_the_toy_takes_no_file_that_is_none(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, with_header: bool
) -> None:
    header = (
        b'{"format":"myengine 1","name":"x","quant":"Q4","context":9}\n' if with_header else b""
    )
    path = tmp_path_factory.getbasetemp() / "damaged.myengine"
    path.write_bytes(header + data)
    with pytest.raises(InputError, match=r"damaged\.myengine: ") as caught:
        toy.backend.inspect(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("quant", "levels"), [("Q8", 127), ("Q4", 7)])
def test_the_toys_weights_come_back_within_half_a_level(quant: str, levels: int) -> None:
    table = np.random.default_rng(0).standard_normal((257, 257)).astype(np.float32)
    packed = toy.pack(table, quant)
    assert len(packed) == toy.tensor_bytes(quant)
    step = np.abs(table).max(axis=1, keepdims=True) / levels
    # half a step, and what a scale of 16 bits is off by
    assert (np.abs(toy.unpack(packed, quant) - table) <= step * (0.5 + levels / 1024)).all()


@pytest.mark.parametrize("quant", ["F16", "Q8", "Q4"])
def test_the_toys_recipes_say_the_bits_that_are_stored(quant: str) -> None:
    assert toy.RECIPES[quant] == toy.tensor_bytes(quant) * 8 / 257**2
