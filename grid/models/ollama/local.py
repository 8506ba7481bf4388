"""Ollama's local store: manifests name the blobs of a model by what they are for.

`manifests/HOST/NAMESPACE/MODEL/TAG` is JSON with a list of layers; each has a media type, a digest
and a size, and lies in `blobs/sha256-HEX`. The layer of the model is a GGUF file. Template, system
prompt, parameters and licence are of Ollama's own conversations and change no weights: they are
left aside.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from grid.errors import InputError, did_you_mean
from grid.models.checksum import file_sha256
from grid.models.ollama.address import OllamaAddress, parse

STORE_VARIABLE = "OLLAMA_MODELS"
_SERVICE_STORE = Path("/usr/share/ollama/.ollama/models")
"""Where Ollama keeps models if it runs as a service of Linux."""

_MEDIA = "application/vnd.ollama.image."
_MODEL = f"{_MEDIA}model"
_REFUSED = {
    f"{_MEDIA}adapter": "has an adapter, which changes the weights; merge the two into one GGUF "
    "and name that file",
    f"{_MEDIA}tensor": "is stored as single tensors, not as GGUF; pull a tag with a GGUF",
}
_PROJECTOR = f"{_MEDIA}projector"
_PROJECTOR_NOTE = "its projector for images is left out: the text model alone is measured"
_DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})")
_MAX_MANIFEST_BYTES = 2**20


class OllamaModel(NamedTuple):
    """A model of the store: its GGUF, the hash that this is named by, and what to know of it."""

    address: OllamaAddress
    path: Path
    sha256: str
    note: str


def store_folder() -> Path:
    """`OLLAMA_MODELS`, else the user's or the service's store. Raises InputError where there is
    none."""
    if override := os.environ.get(STORE_VARIABLE):
        folders = [Path(override).expanduser()]
    else:
        folders = [Path.home() / ".ollama" / "models", _SERVICE_STORE]
    for folder in folders:
        if (folder / "manifests").is_dir():
            return folder
    raise InputError(
        f"no models of Ollama in {' or '.join(map(str, folders))}; set {STORE_VARIABLE} to its "
        "folder of models"
    )


def stored_names() -> tuple[str, ...]:
    """All models of the store as `ollama:NAME`, sorted; empty where there is no store."""
    try:
        return tuple(sorted(str(address) for address in _addresses(store_folder())))
    except InputError:
        return ()


def find_model(text: str) -> OllamaModel:
    """The model of that name, from its manifest; its blob is there, in the manifest's size. Raises
    InputError, one line, with near names for one that is not there."""
    address, folder = parse(text), store_folder()
    manifest = folder.joinpath("manifests", *address.parts)
    if not manifest.is_file():
        names = [str(stored) for stored in _addresses(folder)]
        raise InputError(f"no {str(address)!r} in {folder}. {did_you_mean(text, names)}".rstrip())
    layers = list(_layers(address, manifest))
    kinds = {kind for kind, _, _ in layers}
    for kind, reason in _REFUSED.items():
        if kind in kinds:
            raise InputError(f"{address} {reason}")
    models = [(digest, size) for kind, digest, size in layers if kind == _MODEL]
    if len(models) != 1:
        what = f"{len(models)} weight files" if models else "no weights here (it may be remote)"
        raise InputError(f"{address} has {what}; name a model that has one GGUF")
    digest, size = models[0]
    path = _blob(address, folder, digest, size)
    return OllamaModel(address, path, digest, _PROJECTOR_NOTE if _PROJECTOR in kinds else "")


def verify(model: OllamaModel) -> None:
    """Read the blob, once as long as it does not change. Raises InputError where it is not what it
    is named by."""
    try:
        actual = file_sha256(model.path)
    except OSError as error:
        raise InputError(f"{model.path} cannot be read: {error.strerror}") from error
    if actual != model.sha256:
        raise InputError(
            f"{model.address}: the content of {model.path.name[:19]}… is another than its name "
            f"says (sha256 {actual[:12]}…); {_pull(model.address)}"
        )


def _addresses(folder: Path) -> Iterator[OllamaAddress]:
    top = folder / "manifests"
    for manifest in top.glob("*/*/*/*"):
        if manifest.is_file():
            host, namespace, model, tag = manifest.relative_to(top).parts
            yield OllamaAddress(model, tag, namespace, host)


def _layers(address: OllamaAddress, manifest: Path) -> Iterator[tuple[str, str, int]]:
    """Media type, hash and size of each layer."""
    try:
        if manifest.stat().st_size > _MAX_MANIFEST_BYTES:
            raise ValueError("too large")
        content: Any = json.loads(manifest.read_bytes())
        for layer in content["layers"]:
            match = _DIGEST.fullmatch(layer["digest"])
            if match is None:
                raise ValueError("no digest")
            yield str(layer["mediaType"]), match[1], int(layer["size"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{address}: its manifest {manifest} is damaged or cut; {_pull(address)}"
        ) from error


def _blob(address: OllamaAddress, folder: Path, digest: str, size: int) -> Path:
    names = (f"sha256-{digest}", f"sha256:{digest}")  # older versions wrote the second
    path = next((p for p in (folder / "blobs" / name for name in names) if p.is_file()), None)
    if path is None:
        raise InputError(
            f"{address}: its weights are gone (no {names[0][:19]}… in {folder / 'blobs'}); "
            f"{_pull(address)}"
        )
    if path.stat().st_size != size:
        raise InputError(
            f"{address}: its weights are cut: {path.stat().st_size} of {size} bytes are there; "
            f"{_pull(address)}"
        )
    return path


def _pull(address: OllamaAddress) -> str:
    return f"`ollama pull {address.name}` gets it again"
