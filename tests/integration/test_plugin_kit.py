"""`docs/plugins.md`, followed to the letter: every block on the page is run, in order.

Blocks of sh are run, a toml block that begins with a file's name becomes that file (or stands in it
already), a block of python stands in the plugin as it is on the page, and a diff is made there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import grid as quantgrid
from grid.models.packages.uv import find_uv

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"
CORE = Path(quantgrid.__file__).parent
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    kind: str
    text: str


@dataclass
class Stranger:
    """Someone at a terminal, in a folder and an environment of their own."""

    home: Path
    venv: Path
    variables: dict[str, str]
    folder: Path
    printed: dict[str, str] = field(default_factory=dict)
    """Command block -> what it printed."""

    @property
    def plugin(self) -> Path:
        return self.home / "quantgrid-mine" / "grid_mine" / "__init__.py"

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        where = self.home / "where"
        done = subprocess.run(
            ["bash", "-e", "-c", f"{script}\npwd > '{where}'"],
            cwd=self.folder, env=self.variables, capture_output=True, text=True, timeout=200,
            check=False,
        )  # fmt: skip
        if done.returncode == 0:
            self.folder = Path(where.read_text().strip())
        return done

    def follow(self, block: Block) -> None:
        match block.kind:
            case "sh":
                done = self.run(block.text)
                assert done.returncode == 0, f"{block.text}{done.stdout}{done.stderr}"
                self.printed[block.text] = done.stdout
            case "toml":
                name, _, text = block.text.removeprefix("# ").partition("\n")
                if (self.folder / name).exists():
                    assert text in (self.folder / name).read_text()
                else:
                    (self.folder / name).write_text(text)
            case "python":
                assert block.text in self.plugin.read_text()
            case "diff":
                self._change(block.text)

    def _change(self, diff: str) -> None:
        lines = diff.splitlines()
        assert lines.pop(0) == "# grid_mine/__init__.py"
        before = "\n".join(line[1:] for line in lines if line[0] in " -") + "\n"
        after = "\n".join(line[1:] for line in lines if line[0] in " +") + "\n"
        text = self.plugin.read_text()
        assert text.count(before) == 1, before
        self.plugin.write_text(text.replace(before, after))


def blocks() -> list[Block]:
    return [Block(kind, text) for kind, text in BLOCK.findall(PAGE.read_text(encoding="utf-8"))]


def environment(venv: Path) -> None:
    """An environment that has quantgrid: the packages of this one, and its two commands."""
    subprocess.run([find_uv(), "venv", "-q", "--python", sys.executable, str(venv)], check=True)
    (packages,) = venv.glob("lib/python3*/site-packages")
    packages_paths = [path for path in sys.path if path.endswith("site-packages")]
    lines = [f"import site; site.addsitedir({path!r})" for path in packages_paths]
    (packages / "here.pth").write_text("\n".join(lines) + "\n")
    for command, module in (("grid", "grid"), ("pytest", "pytest")):
        script = venv / "bin" / command
        script.write_text(f'#!/bin/sh\nexec "{venv}/bin/python" -m {module} "$@"\n')
        script.chmod(0o755)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    """The whole page, followed."""
    home = tmp_path_factory.mktemp("stranger")
    venv = home / "venv"
    environment(venv)
    # quantgrid is there but not as a distribution that uv could resolve, and no network is needed.
    (home / "uv.toml").write_text("[pip]\nno-deps = true\n")
    paths = [str(venv / "bin"), str(Path(find_uv()).parent), os.environ["PATH"]]
    variables = {
        **os.environ,
        "VIRTUAL_ENV": str(venv),
        "PATH": os.pathsep.join(paths),
        "UV_CONFIG_FILE": str(home / "uv.toml"),
        "UV_OFFLINE": "1",
        "QUANTGRID_CACHE": str(tmp_path_factory.getbasetemp() / "cache"),
        "PYTEST_ADDOPTS": "-q -p no:cacheprovider",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    variables.pop("PYTHONPATH", None)
    someone = Stranger(home, venv, variables, folder=home)
    for block in blocks():
        someone.follow(block)
    return someone


def rows(stranger: Stranger, query: str) -> list[dict[str, Any]]:
    store = quantgrid.open(stranger.home / "quantgrid-mine" / "rows")
    table: list[dict[str, Any]] = store.query(query).to_pylist()
    return table


def test_the_page_has_blocks_of_every_kind() -> None:
    kinds = [block.kind for block in blocks()]
    assert {*kinds} == {"sh", "toml", "python", "diff", "text"}
    assert kinds.count("text") == 1  # what cannot be run: packages that are not there


def test_a_backend_is_at_most_four_files(stranger: Stranger) -> None:
    done = subprocess.run(
        [stranger.venv / "bin" / "python", "-m", "grid", "backends", "new", "other"],
        cwd=stranger.home, env=stranger.variables, capture_output=True, text=True, check=True,
    )  # fmt: skip
    files = [path for path in (stranger.home / "quantgrid-other").rglob("*") if path.is_file()]
    assert len(files) == 4
    assert all(path.name in done.stdout for path in files)


def test_a_new_backend_passes_its_own_tests_and_skips_none(stranger: Stranger) -> None:
    first = next(
        output for command, output in stranger.printed.items() if "backends new" in command
    )
    assert re.search(r"^\d+ passed in", first, re.MULTILINE)


def test_the_grid_knows_it_without_an_edit_of_the_core(stranger: Stranger) -> None:
    listed = stranger.printed["grid backends\ngrid backends install mine\n"]
    assert re.search(r"^mine +mine +0\.1\.0 +cpu +ready", listed, re.MULTILINE)
    assert "mine: ready, needs no environment of its own" in listed
    assert not [path for path in CORE.rglob("*.py") if "grid_mine" in path.read_text()]


def test_every_cell_of_the_sweep_was_measured(stranger: Stranger) -> None:
    attempts = rows(stranger, "SELECT backend, status, count(*) AS n FROM attempts GROUP BY ALL")
    assert {(row["backend"], row["status"]) for row in attempts} == {("mine", "ok")}


def test_fewer_bits_diverge_more(stranger: Stranger) -> None:
    results = rows(
        stranger,
        "SELECT quant, max(value) AS kld FROM results WHERE name = 'kld_mean' GROUP BY quant",
    )
    kld = {row["quant"]: row["kld"] for row in results}
    assert kld["F16"] == 0.0
    assert 0.0 < kld["Q8"] < kld["Q4"]


def test_speed_of_each_quant_is_there(stranger: Stranger) -> None:
    results = rows(stranger, "SELECT DISTINCT quant FROM results WHERE name = 'decode_tps'")
    assert {row["quant"] for row in results} == {"F16", "Q8", "Q4"}


def test_an_option_of_its_own_is_an_axis(stranger: Stranger) -> None:
    attempts = rows(stranger, "SELECT DISTINCT options FROM attempts")
    assert {'"half":false', '"half":true'} <= {
        part for row in attempts for part in re.findall(r'"half":\w+', str(row["options"]))
    }


def test_a_damaged_file_is_one_line(stranger: Stranger) -> None:
    plugin = stranger.home / "quantgrid-mine"
    (plugin / "cut.mine").write_bytes((plugin / "toy.mine").read_bytes()[:1000])
    (plugin / "cut.toml").write_text('backends = ["mine"]\n[[models]]\nfiles = ["cut.mine"]\n')
    done = stranger.run("grid sweep cut.toml --store none --executor inline")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "the file was cut off or changed, make it again" in done.stderr
