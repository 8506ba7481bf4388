"""node.toml: what the owner of a machine knows better than the probe.

    name = "rack-3"            # as rows and progress call it
    chip = "AMD EPYC 7763"
    memory = "16GiB"           # of the machine
    bandwidth = "50GB/s"       # read plus written, all cores; not measured then
    cores = 8                  # physical ones

Every key is optional. The file lies in the user's configuration folder, or where
`$QUANTGRID_NODE_FILE` says.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from grid.errors import InputError, did_you_mean
from grid.hardware.node import Node
from grid.units import MIB, parse_bytes, parse_memory_bytes

FILE_VARIABLE = "QUANTGRID_NODE_FILE"

LEAST_MEMORY = 128 * MIB
"""Less is no machine but a forgotten unit: 16 for 16GiB."""


class NodeFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys of node.toml as written."""

    name: str | None = None
    chip: str | None = None
    memory: str | int | None = None
    bandwidth: str | None = None
    cores: int | None = None

    def node_fields(self) -> dict[str, Any]:
        """The fields of a Node that the file sets. Raises InputError on what is no size or rate."""
        fields: dict[str, Any] = {"name": self.name, "chip": self.chip, "cores": self.cores}
        if self.memory is not None:
            fields["memory_bytes"] = _memory_bytes(self.memory)
        if self.bandwidth is not None:
            fields["bandwidth_bytes_s"] = float(parse_bytes(_bytes_of_rate(self.bandwidth)))
        return {name: value for name, value in fields.items() if value is not None}

    def keys(self) -> tuple[str, ...]:
        """The keys that are set."""
        return tuple(name for name in self.__struct_fields__ if getattr(self, name) is not None)


def _memory_bytes(text: str | int) -> int:
    try:
        size = parse_memory_bytes(text)
    except InputError as error:
        raise InputError(f"memory: {error}") from None
    if size < LEAST_MEMORY:
        raise InputError(f"memory: {text!r} is too little; write for example 16GiB")
    return size


def node_file_path() -> Path:
    """`$QUANTGRID_NODE_FILE`, else node.toml in the user's configuration folder."""
    override = os.environ.get(FILE_VARIABLE)
    if override:
        return Path(override).expanduser()
    import platformdirs

    return Path(platformdirs.user_config_dir("quantgrid")) / "node.toml"


def read_node_file(path: Path | None = None) -> NodeFile:
    """The contents of node.toml; empty where there is none and no variable names one. Raises
    InputError in one line that names the file and the key."""
    path = path or node_file_path()
    try:
        raw = tomllib.loads(path.read_text())
    except FileNotFoundError:
        if os.environ.get(FILE_VARIABLE):
            raise InputError(f"{path}: not there, though ${FILE_VARIABLE} names it") from None
        return NodeFile()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not TOML: {error}") from None
    keys = NodeFile.__struct_fields__
    unknown = next((key for key in raw if key not in keys), None)
    if unknown:
        raise InputError(f"{path}: unknown key {unknown!r}. {did_you_mean(unknown, keys)}")
    return _parse_node_file(raw, path)


def apply_node_file(node: Node, path: Path | None = None) -> Node:
    """The probed node with the fields that the file sets; `overridden` names its keys."""
    file = read_node_file(path)
    return msgspec.structs.replace(node, **file.node_fields(), overridden=file.keys())


def _parse_node_file(raw: dict[str, Any], path: Path) -> NodeFile:
    try:
        file = msgspec.convert(raw, NodeFile)
        values = file.node_fields()
    except (msgspec.ValidationError, InputError) as error:
        problem = str(error).replace(" - at `$.", " - at `")
        raise InputError(f"{path}: {problem}") from None
    for name in ("cores", "memory_bytes", "bandwidth_bytes_s"):
        if values.get(name, 1) <= 0:
            raise InputError(f"{path}: {name.split('_')[0]} must be more than 0")
    if "" in (file.name, file.chip):
        raise InputError(f"{path}: name and chip must not be empty")
    return file


def _bytes_of_rate(text: str) -> str:
    """The size in `50GB/s`: `50GB`. Raises InputError where the text is no rate."""
    if not text.endswith("/s"):
        raise InputError(f"bandwidth: {text!r} is not a rate; write for example 50GB/s")
    return text.removesuffix("/s")
