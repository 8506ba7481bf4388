"""Where the weights behind a row are on this machine, or how they come here."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grid.cache import cache_dir
from grid.cells.serving import ShellCommand
from grid.errors import InputError
from grid.models import hub, ollama, packages
from grid.models.bundled import SIZES, size_dir
from grid.models.hub.address import PREFIX, Address
from grid.models.split_files import parse_split_name

BUNDLED = "ref:"


@dataclass(frozen=True)
class WeightsPlace:
    """`path` is that of the file or folder, where it is or will be; `present` whether it is there
    now. If not, `obtain` are shell lines that bring it, none where only the user can, as `how`
    says in a sentence."""

    path: str
    present: bool
    how: str
    obtain: tuple[str, ...] = ()


def weights_place(row: Mapping[str, Any], store: str) -> WeightsPlace:
    """Of the artifact of a row (its `model_source`, `quantizer`, `artifact_id`, `format`, ...) in a
    store, which is named as the command line does."""
    source = str(row.get("model_source") or "")
    if row.get("origin"):
        return _elsewhere(row, "the figures are third-party: fetch or make this file yourself")
    if row.get("quantizer"):
        return _quantized(row, store)
    if source.startswith(PREFIX):
        return _on_hub(row, source)
    if source.startswith((packages.PREFIX, BUNDLED)):
        return _packaged(row, source, store)
    if source.startswith(ollama.PREFIX):
        return _in_ollama(row, source)
    if not source:
        return _elsewhere(row, "the rows do not say where the weights are from")
    if Path(source).exists():
        return WeightsPlace(source, True, "the file that was measured")
    node = f" of {row['node']}" if row.get("node") else ""
    return WeightsPlace(source, False, f"not on this machine; where it was measured{node}")


def _quantized(row: Mapping[str, Any], store: str) -> WeightsPlace:
    """Weights that a quantizer made, which lie in the cache until they are evicted."""
    path = cache_dir() / "artifacts" / str(row["artifact_id"]) / f"weights.{row['format']}"
    if path.exists():
        return WeightsPlace(str(path), True, f"made by {row['quantizer']}, in quantgrid's cache")
    how = f"made of {row['model_source']} by the first line, into quantgrid's cache"
    return WeightsPlace(str(path), False, how, (weights_command(row, store),))


def weights_command(row: Mapping[str, Any], store: str) -> str:
    """The `grid weights` that fetches or makes an artifact of the store."""
    return f"grid weights --store {shlex.quote(store)} {row['artifact_id']}"


def _on_hub(row: Mapping[str, Any], source: str) -> WeightsPlace:
    try:
        address = hub.parse(source)
    except InputError as error:
        return _elsewhere(row, str(error))
    if (path := _downloaded(address)) is not None:
        return WeightsPlace(path, True, f"downloaded from {source}")
    name = address.repo.rpartition("/")[2]
    words = ["hf", "download", address.repo]
    if address.file is not None:
        words += _files(address.file)
    if address.revision is not None:
        words += ["--revision", address.revision]
    line = ShellCommand(argv=(*words, "--local-dir", name)).text()
    path = name if address.file is None else f"{name}/{address.file}"
    return WeightsPlace(path, False, f"downloaded from {address.repo} by the first line", (line,))


def _files(file: str) -> list[str]:
    """Arguments that choose a file, all parts of a split one, or all in a folder."""
    if not file.endswith(".gguf"):
        return ["--include", f"{file}/*"]
    split = parse_split_name(file)
    return [file] if split is None else ["--include", re.sub(r"-\d{5}-of-", "-*-of-", file)]


def _downloaded(address: Address) -> str | None:
    """Path in the user's cache of the hub, or of our folder of links to it."""
    commit, name = address.revision or "", address.repo.rpartition("/")[2]
    folder = cache_dir() / "hub" / "folders" / commit / name / (address.file or "")
    if commit and folder.is_dir():
        return str(folder)
    if address.file is None or not address.file.endswith(".gguf"):
        return None
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(address.repo, address.file, revision=address.revision)
    return cached if isinstance(cached, str) else None


def _packaged(row: Mapping[str, Any], source: str, store: str) -> WeightsPlace:
    """Weights in a package: our own, or one of the package index."""
    if source.startswith(BUNDLED):
        size = source.removeprefix(BUNDLED)
        if size not in SIZES:
            return _elsewhere(row, f"{source} is of another version of quantgrid")
        return WeightsPlace(str(size_dir(size)), True, "comes with quantgrid")
    try:
        address = packages.parse(source)
    except InputError as error:
        return _elsewhere(row, str(error))
    if (path := packages.find(address)) is not None:
        return WeightsPlace(str(path), True, f"in the package {address.requirement}")
    how = f"in the package {address.requirement}; the first line fetches it and prints the path"
    return WeightsPlace(_plain_name(row), False, how, (weights_command(row, store),))


def _in_ollama(row: Mapping[str, Any], source: str) -> WeightsPlace:
    """Weights in the store of Ollama on this machine, if it has them."""
    try:
        stored = ollama.find_model(source)
    except InputError as error:
        return _elsewhere(row, str(error))
    return WeightsPlace(str(stored.path), True, f"in Ollama's store, as {stored.address.name}")


def _elsewhere(row: Mapping[str, Any], how: str) -> WeightsPlace:
    return WeightsPlace(_plain_name(row), False, how)


def _plain_name(row: Mapping[str, Any]) -> str:
    """`Llama-3-8B-Q4_K_M.gguf`, or without a suffix where the format is not a file's."""
    suffix = ".gguf" if row.get("format") == "gguf" else ""
    name = re.sub(r"[^\w.+-]+", "-", f"{row.get('model')}-{row.get('quant')}").strip("-")
    return name + suffix
