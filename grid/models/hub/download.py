"""Download one file of a repository into the user's cache: resumed, and checked by its hash.

The cache's layout is huggingface_hub's: contents under `blobs/`, named by their hash, and links to
them under `snapshots/COMMIT/`. What came of a download that broke off stays at
`blobs/HASH.incomplete`; huggingface_hub itself, since it downloads to files of random names, would
throw it away and begin again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from grid.errors import EngineError
from grid.models.checksum import file_sha256, git_id, remember_sha256
from grid.models.hub.errors import RemotePath, translate_hub_errors
from grid.models.hub.library import utilities
from grid.models.hub.repository import RemoteFile
from grid.models.hub.transfer import Advance, transfer
from grid.units import format_bytes


def cached_path(repo: str, commit: str, file: RemoteFile) -> Path | None:
    """The file's path in the user's cache; None where it is missing or of the wrong size."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(repo, file.path, revision=commit)
    if not isinstance(path, str) or Path(path).stat().st_size != file.size:
        return None
    return Path(path)


def present_bytes(repo: str, file: RemoteFile) -> int:
    """Bytes of the file's content that the cache holds already, whole or in part."""
    blob = _blob_path(repo, file)
    for path in (blob, _partial_path(blob)):
        if path.is_file():
            return min(path.stat().st_size, file.size)
    return 0


def download(repo: str, commit: str, file: RemoteFile, advance: Advance) -> Path:
    """The file's path in the user's cache, downloaded as far as it is not there, and verified.

    Raises EngineError with one line where it does not come, or not as listed; then what is wrong
    is removed and what is right so far is kept for the next time.
    """
    remote = RemotePath(repo, file.path, commit)
    path = cached_path(repo, commit, file)
    if path is not None:
        advance(file.size)
    else:
        with (
            translate_hub_errors(remote, EngineError),
            silence_library(),
            _translate_disk_errors(remote),
        ):
            path = _download_to_cache(repo, commit, file, advance)
    _verify(remote, path, file)
    return path


@contextmanager
def silence_library() -> Iterator[None]:
    """Turn off huggingface_hub's own warnings and progress bars: ours replace them."""
    from huggingface_hub import constants

    library = utilities()
    verbosity = library.logging.get_verbosity()
    # The user's own setting, one way or the other, cannot be changed from here.
    silent = constants.HF_HUB_DISABLE_PROGRESS_BARS is not None
    silent = silent or library.are_progress_bars_disabled()
    library.logging.set_verbosity_error()
    if not silent:
        library.disable_progress_bars()
    try:
        yield
    finally:
        library.logging.set_verbosity(verbosity)
        if not silent:
            library.enable_progress_bars()


def _repository_folder(repo: str) -> Path:
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type="model")


def _blob_path(repo: str, file: RemoteFile) -> Path:
    return _repository_folder(repo) / "blobs" / file.etag


def _partial_path(blob: Path) -> Path:
    return blob.with_name(f"{blob.name}.incomplete")


def _download_to_cache(repo: str, commit: str, file: RemoteFile, advance: Advance) -> Path:
    from huggingface_hub import constants, hf_hub_download

    blob = _blob_path(repo, file)
    lock = (
        _repository_folder(repo).parent
        / ".locks"
        / _repository_folder(repo).name
        / f"{file.etag}.lock"
    )
    lock.parent.mkdir(parents=True, exist_ok=True)
    blob.parent.mkdir(parents=True, exist_ok=True)
    with utilities().WeakFileLock(lock):  # the lock that huggingface_hub takes for the same content
        if blob.exists():
            advance(file.size)
        elif file.size <= constants.MAX_HTTP_DOWNLOAD_SIZE:
            _complete_blob(repo, commit, file, blob, advance)
    if not blob.exists():
        return _download_through_xet(repo, commit, file, advance)
    # With the content there, this makes the link to it from the snapshot.
    return Path(hf_hub_download(repo, file.path, revision=commit, library_name="quantgrid"))


def _download_through_xet(repo: str, commit: str, file: RemoteFile, advance: Advance) -> Path:
    """Download a file too large for plain HTTP by the hub's own protocol, which does not resume."""
    from huggingface_hub import constants, hf_hub_download

    remote = RemotePath(repo, file.path)
    if constants.HF_HUB_DISABLE_XET or find_spec("hf_xet") is None:
        raise EngineError(
            f"{remote}: the hub sends {format_bytes(file.size)} through Xet only; install hf-xet "
            "and leave HF_HUB_DISABLE_XET unset"
        )
    try:
        path = hf_hub_download(repo, file.path, revision=commit, library_name="quantgrid")
    except (OSError, RuntimeError) as error:
        if type(error).__module__ not in ("builtins", "hf_xet"):
            raise
        raise EngineError(f"{remote}: Xet brought no file ({error}); run again") from error
    advance(file.size)
    return Path(path)


def _complete_blob(repo: str, commit: str, file: RemoteFile, blob: Path, advance: Advance) -> None:
    """Complete the partial file and rename it to its hash. Raises EngineError where it differs."""
    partial = _partial_path(blob)
    with partial.open("a+b") as target:
        digest = transfer(repo, commit, file, target, advance)
    if digest != file.etag:
        partial.unlink()
        raise _hash_mismatch(RemotePath(repo, file.path), digest, file.etag)
    partial.replace(blob)
    if file.sha256:
        remember_sha256(blob, digest)


def _verify(remote: RemotePath, path: Path, file: RemoteFile) -> None:
    """Raises EngineError, and removes the content, where it is not what the hub lists. A large
    file is read once: its digest is remembered."""
    digest = file_sha256(path) if file.sha256 else git_id(path.read_bytes())
    if digest == file.etag:
        return
    for bad in (path.resolve(), path):
        bad.unlink(missing_ok=True)
    raise _hash_mismatch(remote, digest, file.etag)


def _hash_mismatch(remote: RemotePath, digest: str, listed: str) -> EngineError:
    return EngineError(
        f"{remote}: the file's hash is {digest[:16]}…, the hub lists {listed[:16]}…; it was "
        "damaged on its way or on the disk and is removed, run again to download it anew"
    )


@contextmanager
def _translate_disk_errors(remote: RemotePath) -> Iterator[None]:
    import httpx2

    try:
        yield
    except httpx2.HTTPError:
        raise
    except OSError as error:
        if type(error).__module__ != "builtins":
            raise
        raise EngineError(
            f"{remote}: cannot be written to the cache ({error.strerror or error}); make room, or "
            "set HF_HOME to another disk"
        ) from error
