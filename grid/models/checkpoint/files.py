"""Find and read the configuration and the weight files of a Hugging Face folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from grid.errors import InputError, name_some
from grid.models.checkpoint.safetensors import SafetensorsHeader, SafetensorsTensor, read_header
from grid.models.split_files import part_names

_MAX_JSON = 64 * 2**20
_INDEX = ".safetensors.index.json"
_OTHER_WEIGHTS = ("pytorch_model*.bin", "*.gguf", "*.pt", "*.pth", "tf_model.h5", "*.onnx")
_SINGLE_FILE = "model.safetensors"
_NOT_THE_MODEL = ("consolidated", "adapter_", "training_args", "optimizer", "scheduler")


class CheckpointWeights(NamedTuple):
    """The weight files of a folder in the order of their names, and all their tensors."""

    headers: tuple[SafetensorsHeader, ...]
    tensors: tuple[SafetensorsTensor, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(header.path for header in self.headers)

    @property
    def file_bytes(self) -> int:
        """Bytes of the files on disk, headers included."""
        return sum(header.file_bytes for header in self.headers)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a reasonable size. Raises InputError with one line."""
    try:
        if path.stat().st_size > _MAX_JSON:
            raise InputError(f"{path}: {path.stat().st_size} bytes are too many for this file")
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {str(error)[:200]}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a JSON object")
    return content


def is_checkpoint(path: Path) -> bool:
    """Whether a folder is meant to be in Hugging Face's layout: it has a config.json."""
    return (path / "config.json").is_file()


def read_config(folder: Path) -> dict[str, Any]:
    """The values of config.json. Raises InputError saying what is missing where there is none."""
    if not folder.is_dir():
        state = "a file, not a folder" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {state}; name a folder with config.json and *.safetensors")
    if not (folder / "config.json").is_file():
        raise InputError(
            f"{folder}: not a checkpoint folder: config.json is missing; name the folder that "
            "holds config.json and *.safetensors"
        )
    return read_json(folder / "config.json")


def read_weights(folder: Path) -> CheckpointWeights:
    """Headers of all weight files: those that the index names, else by their names.

    Raises InputError naming missing shards, tensors that the index puts where they are not, and
    tensors that are there twice.
    """
    index = _index_of(folder)
    paths = _indexed_shards(index) if index else _unindexed_files(folder)
    headers = tuple(read_header(path) for path in paths)
    tensors: dict[str, SafetensorsTensor] = {}
    for header in headers:
        for tensor in header.tensors:
            if tensor.name in tensors:
                first = tensors[tensor.name].path.name
                raise InputError(
                    f"{header.path}: tensor {tensor.name!r} is in {first} too; keep one of them"
                )
            tensors[tensor.name] = tensor
    if index:
        _check_index(index, tensors)
    if not any(tensor.elements for tensor in tensors.values()):
        raise InputError(f"{folder}: there are no weights in it; get or convert it again")
    return CheckpointWeights(headers, tuple(tensors.values()))


def _index_of(folder: Path) -> Path | None:
    """The index to read; a single model.safetensors needs none."""
    indices = sorted(folder.glob(f"*{_INDEX}"))
    usual = folder / f"model{_INDEX}"
    if usual in indices:
        return usual
    return indices[0] if indices and not (folder / _SINGLE_FILE).is_file() else None


def _weight_map(index: Path) -> Mapping[str, str]:
    """Tensor -> name of the shard that holds it."""
    shards = read_json(index).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise InputError(f"{index}: weight_map is missing or empty; get the file again")
    for name in set(map(str, shards.values())):
        if name != Path(name).name or not name.endswith(".safetensors"):
            raise InputError(f"{index}: {name[:200]!r} is no name of a shard; get the file again")
    return {tensor: str(shard) for tensor, shard in shards.items()}


def _indexed_shards(index: Path) -> list[Path]:
    names = sorted(set(_weight_map(index).values()))
    return _require_files(index.parent, names)


def _check_index(index: Path, tensors: Mapping[str, SafetensorsTensor]) -> None:
    shards = _weight_map(index)
    misplaced = [
        name
        for name, shard in shards.items()
        if name not in tensors or tensors[name].path.name != shard
    ]
    if misplaced:
        names = name_some([repr(name[:200]) for name in misplaced], 1)
        raise InputError(
            f"{index}: tensor {names} is not in {shards[misplaced[0]]}, where the "
            "index puts it; index and shards are of different versions, get them again"
        )


def _unindexed_files(folder: Path) -> list[Path]:
    file_names = sorted(path.name for path in folder.glob("*.safetensors"))
    names = unindexed_names(file_names)
    if not names:
        raise _no_weights(folder, file_names)
    expected = {part for name in names for part in part_names(name)}
    return _require_files(folder, sorted(expected))


def unindexed_names(file_names: Sequence[str]) -> list[str]:
    """The weights among a folder's safetensors that no index lists: never the same weights again
    in their original layout, unless alone, and no adapters."""
    if _SINGLE_FILE in file_names:
        return [_SINGLE_FILE]
    own = [name for name in file_names if not name.startswith(_NOT_THE_MODEL)]
    return own or [name for name in file_names if name.startswith("consolidated")]


def _require_files(folder: Path, names: Sequence[str]) -> list[Path]:
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{folder}: {len(missing)} of {len(names)} weight files missing: "
            f"{name_some(missing, 8)}; get the rest of the checkpoint"
        )
    return [folder / name for name in names]


def _no_weights(folder: Path, file_names: Sequence[str]) -> InputError:
    if any(name.startswith("adapter_") for name in file_names):
        return InputError(f"{folder}: an adapter, not a model; merge it into its base model first")
    others = [path.name for pattern in _OTHER_WEIGHTS for path in sorted(folder.glob(pattern))]
    if others:
        hint = "name that file" if others[0].endswith(".gguf") else "save them as safetensors"
        return InputError(f"{folder}: no *.safetensors, only {others[0]}; {hint}")
    return InputError(
        f"{folder}: not a checkpoint folder: there are no *.safetensors; get the weight files"
    )
