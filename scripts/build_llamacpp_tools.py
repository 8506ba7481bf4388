"""Build llama.cpp's own tools from the sources that our engine is built of, with the same flags.

    uv run python scripts/build_llamacpp_tools.py FOLDER [--source LLAMA_CPP] [--jobs N] [--server]

FOLDER gets llama-bench, llama-perplexity, llama-quantize and llama-imatrix, and with `--server`
llama-server, with their libraries in `bin`. The sources are those of the pinned llama-cpp-python,
fetched with pip, or a folder that is given. The flags are the pinned build's in pyproject.toml;
only the tools are switched on.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import tarfile
import tempfile
import tomllib
from pathlib import Path

from grid.models.packages.uv import find_uv, uv_settings

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "llama-cpp-python"
TOOLS = ("llama-bench", "llama-perplexity", "llama-quantize", "llama-imatrix")
SERVER = "llama-server"
SWITCHES = ("-DLLAMA_BUILD_COMMON=ON", "-DLLAMA_BUILD_TOOLS=ON", "-DLLAMA_OPENSSL=OFF")
"""Set after the pinned flags, so that they win over them; none reaches a kernel."""


def pinned_flags() -> list[str]:
    """The flags for CMake with which the pinned package is built here."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]
    return shlex.split(settings["extra-build-variables"][PACKAGE]["CMAKE_ARGS"])


def pinned_requirement() -> str:
    """`llama-cpp-python==VERSION`, as pyproject.toml pins it."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]
    return next(pin for pin in settings["constraint-dependencies"] if pin.startswith(PACKAGE))


def fetch_source(folder: Path) -> Path:
    """Download the pinned source distribution into `folder`; the llama.cpp tree in it."""
    download = [find_uv(), "tool", "run", "pip", "download", "--no-binary", ":all:", "--no-deps"]
    command = [*download, "--dest", str(folder), pinned_requirement()]
    subprocess.run(command, check=True, env=uv_settings(os.environ))
    archive = next(folder.glob("*.tar.gz"))
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return next(folder.glob("*/vendor/llama.cpp"))


def build(source: Path, folder: Path, jobs: int, with_server: bool) -> Path:
    """Compile the tools; the folder that holds them."""
    work = folder / "build"
    server = f"-DLLAMA_BUILD_SERVER={'ON' if with_server else 'OFF'}"
    flags = [*pinned_flags(), *SWITCHES, server, "-DCMAKE_BUILD_TYPE=Release"]
    subprocess.run(["cmake", "-S", str(source), "-B", str(work), *flags], check=True)
    names = [*TOOLS, *([SERVER] if with_server else [])]
    targets = ["cmake", "--build", str(work), "--parallel", str(jobs), "--target", *names]
    subprocess.run(targets, check=True)
    tools = folder / "bin"
    if not tools.exists():
        tools.symlink_to(work / "bin", target_is_directory=True)
    return tools


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--source", type=Path, help="a llama.cpp tree; default: fetched with pip")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--server", action="store_true", help=f"build {SERVER} too")
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as downloads:
        source = options.source or fetch_source(Path(downloads))
        print(build(source.resolve(), folder, options.jobs, options.server))


if __name__ == "__main__":
    main()
