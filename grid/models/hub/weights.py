"""Group a repository's files into sets of weights, and select those that an address means."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from posixpath import basename, dirname

import msgspec

from grid.errors import InputError, did_you_mean, name_some
from grid.models.checkpoint.files import unindexed_names
from grid.models.checkpoint.inspection import model_revision
from grid.models.hub.address import WEIGHT_SUFFIXES, Address, is_pattern
from grid.models.hub.repository import Listing, RemoteFile
from grid.models.split_files import parse_split_name, part_names

_NOT_A_MODEL = ("mmproj", "imatrix")
"""GGUF files that go with a model: a picture encoder, an importance matrix."""
_COMPANIONS = (".json", ".jinja", ".txt", ".model", ".tiktoken")
_NEVER = ("readme", "license", "requirements")


class HubWeights(msgspec.Struct, frozen=True):
    """The files that make up one artifact of a repository.

    `name` is the path of the file (of the first part where there are several), or of the folder,
    empty for the repository's root; `files` all that must be there: weights, and for a folder its
    configuration and tokenizer. Never code and never pickled weights.
    """

    repo: str
    commit: str
    name: str
    folder: bool
    files: tuple[RemoteFile, ...]

    @property
    def weight_files(self) -> tuple[RemoteFile, ...]:
        """GGUF or safetensors files, in the order of their names."""
        return tuple(file for file in self.files if file.path.endswith(WEIGHT_SUFFIXES))

    @property
    def bytes(self) -> int:
        """Size of the weight files."""
        return sum(file.size for file in self.weight_files)

    @property
    def identity(self) -> str:
        """Hash of the weights' content, the one that the same files have on a local disk.

        The SHA-256 of a single file; of several the SHA-256 over their hex digests in the order of
        names. Of files that the hub knows no SHA-256 of, over what git calls them.
        """
        digests = [file.etag for file in self.weight_files]
        if len(digests) == 1 and self.weight_files[0].sha256:
            return digests[0]
        return hashlib.sha256("".join(digests).encode()).hexdigest()

    @property
    def revision(self) -> str:
        """The model's revision: a folder's configuration counts too, as on a local disk."""
        if not self.folder:
            return self.identity
        return model_revision(self.identity, {basename(f.path): f.blob for f in self.files})

    @property
    def address(self) -> Address:
        """The address of exactly these files, pinned to their commit."""
        return Address(self.repo, self.name or None, self.commit)


def select(listing: Listing, file: str | None) -> tuple[HubWeights, ...]:
    """The weights that `file` of an address selects; one set, or those that a pattern matches.

    `file` is a path, a pattern, a folder, or a quant's name (`Q4_K_M`); None the only weights that
    are there. A part of a split file brings all its parts. Raises InputError where that is
    nothing, several without a pattern, incomplete, or nothing that is safe to load.
    """
    paths = {entry.path: entry for entry in listing.files}
    if file is None:
        return (_only_weights(listing),)
    if file in paths:
        return (_weights_by_path(listing, file),)
    if is_pattern(file):
        return _weights_by_pattern(listing, file)
    inside = [path for path in paths if path.startswith(f"{file}/")]
    if f"{file}/config.json" in paths:
        return (_folder_weights(listing, file),)
    ggufs = _gguf_names(inside)
    if ggufs:
        return tuple(_gguf_weights(listing, name) for name in ggufs)
    return (_weights_by_quant(listing, file),)


def _only_weights(listing: Listing) -> HubWeights:
    names = {entry.path for entry in listing.files}
    if "config.json" in names and any(
        _is_directly_in(path, "") for path in names if _is_safetensors(path)
    ):
        return _folder_weights(listing, "")
    ggufs = _gguf_names(names)
    if len(ggufs) == 1:
        return _gguf_weights(listing, ggufs[0])
    if ggufs:
        raise InputError(
            f"hf:{listing.repo} has {len(ggufs)} GGUF files; name one, for instance "
            f"hf:{listing.repo}/{ggufs[0]}, or all with hf:{listing.repo}/*.gguf"
        )
    raise _no_weights(listing, "")


def _weights_by_path(listing: Listing, path: str) -> HubWeights:
    if path.endswith(".gguf"):
        return _gguf_weights(listing, path)
    if _is_safetensors(path):
        return _folder_weights(listing, dirname(path))
    raise InputError(
        f"hf:{listing.repo}/{path} is not loaded: only *.gguf and *.safetensors are, which hold "
        "numbers and no code"
    )


def _weights_by_pattern(listing: Listing, pattern: str) -> tuple[HubWeights, ...]:
    paths = [
        entry.path
        for entry in listing.files
        if entry.path.endswith(WEIGHT_SUFFIXES)
        and (fnmatchcase(entry.path, pattern) or fnmatchcase(basename(entry.path), pattern))
    ]
    folders = dict.fromkeys(dirname(path) for path in paths if _is_safetensors(path))
    weights = [_gguf_weights(listing, name) for name in _gguf_names(paths)]
    weights += [_folder_weights(listing, folder) for folder in folders]
    if not weights:
        raise _absent_file(listing, pattern, "no weights match")
    return tuple(weights)


def _weights_by_quant(listing: Listing, quant: str) -> HubWeights:
    ending = re.compile(rf"(?:.*[-_./])?{re.escape(quant)}", re.IGNORECASE)
    names = _gguf_names(entry.path for entry in listing.files)
    matches = [name for name in names if ending.fullmatch(_stem(name))]
    if len(matches) > 1:
        raise InputError(
            f"hf:{listing.repo}/{quant} may be {' or '.join(matches[:4])}; give the whole path"
        )
    if not matches:
        raise _absent_file(listing, quant, "there is no")
    return _gguf_weights(listing, matches[0])


def _gguf_weights(listing: Listing, path: str) -> HubWeights:
    files = _with_parts(listing, [path])
    return HubWeights(listing.repo, listing.commit, files[0].path, False, files)


def _folder_weights(listing: Listing, folder: str) -> HubWeights:
    """A checkpoint: its safetensors, configuration and tokenizer, and nothing below it."""
    inside = [entry.path for entry in listing.files if _is_directly_in(entry.path, folder)]
    shards = _model_shards(inside)
    if not shards or f"{folder}/config.json".lstrip("/") not in inside:
        raise _no_weights(listing, folder)
    companions = [path for path in inside if _is_companion(basename(path))]
    by_path = {entry.path: entry for entry in listing.files}
    others = tuple(by_path[path] for path in companions)
    return HubWeights(
        listing.repo, listing.commit, folder, True, (*_with_parts(listing, shards), *others)
    )


def _model_shards(inside: list[str]) -> list[str]:
    """The weights among the paths in one folder, chosen as the local reader does: shards that an
    index lists come before one model.safetensors."""
    paths = {basename(path): path for path in inside}
    names = [name for name in paths if _is_safetensors(name)]
    has_index = "model.safetensors.index.json" in paths
    sharded = [name for name in names if has_index and re.match(r"model-\d{5}-of-", name)]
    return [paths[name] for name in sharded or unindexed_names(names)]


def _with_parts(listing: Listing, paths: Iterable[str]) -> tuple[RemoteFile, ...]:
    """The files with all parts of those that are split. Raises InputError for missing parts."""
    files = {entry.path: entry for entry in listing.files}
    parts = dict.fromkeys(part for path in paths for part in part_names(path))
    missing = [path for path in parts if path not in files]
    if missing:
        raise InputError(
            f"hf:{listing.repo}: {len(missing)} of {len(parts)} parts are missing: "
            f"{name_some(missing, 4)}; choose another revision or repository"
        )
    return tuple(files[path] for path in sorted(parts))


def _gguf_names(paths: Iterable[str]) -> list[str]:
    """Models among the paths, of split ones the first part."""
    models = [
        path
        for path in paths
        if path.endswith(".gguf") and not basename(path).lower().startswith(_NOT_A_MODEL)
    ]
    return sorted({part_names(path)[0] for path in models})


def _stem(path: str) -> str:
    part = parse_split_name(path)
    return part.stem if part else path.removesuffix(".gguf")


def _is_directly_in(path: str, folder: str) -> bool:
    return dirname(path) == folder


def _is_safetensors(path: str) -> bool:
    return path.endswith(".safetensors")


def _is_companion(name: str) -> bool:
    return name.endswith(_COMPANIONS) and not name.lower().startswith(_NEVER)


def _absent_file(listing: Listing, file: str, what: str) -> InputError:
    names = _gguf_names(entry.path for entry in listing.files)
    names = names or [entry.path for entry in listing.files if _is_safetensors(entry.path)]
    hint = did_you_mean(file, names) or "Look into the repository for its files."
    return InputError(f"hf:{listing.repo}: {what} {file!r} at {listing.commit[:12]}. {hint}")


def _no_weights(listing: Listing, folder: str) -> InputError:
    paths = [entry.path for entry in listing.files if _is_directly_in(entry.path, folder)]
    where = f"hf:{listing.repo}" + (f"/{folder}" if folder else "")
    pickled = [path for path in paths if path.endswith((".bin", ".pt", ".pth", ".ckpt"))]
    if pickled:
        return InputError(
            f"{where} has no safetensors, only {basename(pickled[0])}, which can hold code and is "
            "never loaded; look for a conversion to safetensors or GGUF"
        )
    if any(basename(path).startswith("adapter_") for path in paths):
        return InputError(f"{where} is an adapter; name a model that it has been merged into")
    return InputError(
        f"{where} has no GGUF file and no config.json with *.safetensors; name another repository "
        "or a folder in this one"
    )
