"""Inspect weights on the hub before they are downloaded, from their first bytes.

The bytes go to a stand-in in our cache: a sparse file of the true name and size, with the header in
it and holes for the tensors, which every reader of headers takes for the file itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from posixpath import basename

import msgspec

from grid.errors import EngineError, InputError
from grid.models.artifact import Inspection
from grid.models.checkpoint import safetensors
from grid.models.checksum import remember_sha256
from grid.models.gguf import reader as gguf_reader
from grid.models.hub.download import download, silence_library
from grid.models.hub.errors import RemotePath, translate_hub_errors
from grid.models.hub.links import link
from grid.models.hub.local import fetch, folder_of, missing_files
from grid.models.hub.repository import RemoteFile
from grid.models.hub.transfer import request_headers, url_of
from grid.models.hub.weights import HubWeights

FIRST_BYTES = 2 * 2**20
"""Requested at first: holds the header of all but GGUF files with a vocabulary."""
MOST_BYTES = 128 * 2**20
"""Longest header that is read; those of the largest published models have about 20 MiB."""
_GROWTH = 4
_SMALL_BYTES = 2**20
_INDEX = ".index.json"


def inspect(weights: HubWeights, reader: Callable[[Path], Inspection]) -> Inspection:
    """The inspection of remote weights from their headers, with the hashes that the hub lists.

    `reader` inspects a local path; where all is downloaded it gets that. Raises InputError with
    one line that names the address.
    """
    try:
        path = stand_in(weights) if missing_files(weights) else fetch(weights)
    except EngineError as error:
        raise InputError(str(error)) from error
    try:
        inspection = reader(path)
    except InputError as error:
        raise InputError(_with_address(str(error), path, weights)) from error
    return inspection._replace(
        model=msgspec.structs.replace(
            inspection.model, revision=weights.revision, source=str(weights.address)
        ),
        facts=msgspec.structs.replace(inspection.facts, sha256=weights.identity),
    )


def stand_in(weights: HubWeights) -> Path:
    """A path that headers can be read from as from the weights themselves; no tensor is there.

    For a folder it holds the configuration files as they are. It stays in the cache, so that the
    next plan asks for nothing. Raises InputError where the hub does not give the bytes, and
    EngineError where a configuration file does not come.
    """
    folder = folder_of(weights, "headers")
    if not weights.folder:
        folder = folder.parent
    try:
        for file in weights.weight_files:
            _write_stand_in(weights, file, folder / basename(file.path))
        for file in _configuration_files(weights):
            copy = download(weights.repo, weights.commit, file, lambda count: None)
            link(folder / basename(file.path), copy)
    except OSError as error:
        raise InputError(
            f"{weights.address}: the cache takes no header ({error}); set QUANTGRID_CACHE to a "
            "disk that can be written"
        ) from error
    return folder if weights.folder else folder / basename(weights.name)


def _configuration_files(weights: HubWeights) -> list[RemoteFile]:
    """The JSON files and templates that say what the weights are, and no large vocabulary."""
    return [
        file
        for file in weights.files
        if file.path.endswith(_INDEX)
        or (file.path.endswith((".json", ".jinja")) and file.size <= _SMALL_BYTES)
    ]


def _write_stand_in(weights: HubWeights, file: RemoteFile, path: Path) -> None:
    """Write the file's stand-in unless it exists, and remember the true file's hash for it."""
    if not (path.is_file() and path.stat().st_size == file.size):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}{path.suffix}")
        try:
            with temporary.open("wb") as target:
                target.truncate(file.size)
            _write_header(weights, file, temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    if file.sha256:
        remember_sha256(path, file.sha256)


def _write_header(weights: HubWeights, file: RemoteFile, path: Path) -> None:
    """Download the file's beginning until its header is complete."""
    present, end = 0, FIRST_BYTES
    complete = _gguf_is_complete if path.suffix == ".gguf" else _safetensors_is_complete
    while True:
        end = min(end, file.size, MOST_BYTES)
        content = read_range(weights, file, present, end)
        with path.open("r+b") as target:
            target.seek(present)
            target.write(content)
        present = end
        if present >= min(file.size, MOST_BYTES) or complete(path, present):
            return
        end = present * _GROWTH


def _gguf_is_complete(path: Path, present: int) -> bool:
    """Whether the header can be read, or can never be, from the first `present` bytes.

    A header read past the real bytes into the holes ends past them too, so it is never believed.
    """
    with path.open("rb") as file:
        if file.read(4) != gguf_reader.MAGIC:
            return True
    try:
        return gguf_reader.read_header(path).data_start <= present
    except InputError:
        return False


def _safetensors_is_complete(path: Path, present: int) -> bool:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    return 8 + length <= present or length > safetensors.MAX_HEADER


def read_range(weights: HubWeights, file: RemoteFile, start: int, stop: int) -> bytes:
    """The bytes from `start` to before `stop` of a file on the hub.

    Raises InputError where they do not come, or fewer than the listing promises.
    """
    from huggingface_hub import constants, get_session, hf_raise_for_status

    remote = RemotePath(weights.repo, file.path, weights.commit)
    content = bytearray()
    with (
        translate_hub_errors(remote, InputError),
        silence_library(),
        get_session().stream(
            "GET",
            url_of(weights.repo, weights.commit, file),
            headers=request_headers(start, stop),
            timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
        ) as response,
    ):
        hf_raise_for_status(response)
        if response.status_code != 206 and start:
            raise InputError(
                f"{remote}: the server sends no parts of files, so that the header cannot be read "
                "before the download; download the file and name its path"
            )
        for chunk in response.iter_raw():
            content += chunk
            if len(content) >= stop - start:
                break
    if len(content) < stop - start:
        raise InputError(
            f"{remote}: {len(content)} bytes came of {stop - start}; try again, or name another "
            "revision"
        )
    return bytes(content[: stop - start])


def _with_address(message: str, path: Path, weights: HubWeights) -> str:
    """A reader's message with the stand-in's path replaced by the address on the hub."""
    address = f"hf:{weights.repo}"
    if weights.folder and weights.name:
        address += f"/{weights.name}"
    elif not weights.folder and "/" in weights.name:
        address += f"/{weights.name.rpartition('/')[0]}"
    return message.replace(str(path if weights.folder else path.parent), address)
