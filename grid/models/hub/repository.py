"""The files of a repository at one commit: requested once, cached for offline work."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import msgspec

from grid.cache import cache_dir, write_atomically
from grid.errors import InputError
from grid.models.checksum import file_sha256
from grid.models.hub.address import Address
from grid.models.hub.errors import RemotePath, translate_hub_errors, translate_parse_errors

DEFAULT_REVISION = "main"

_SHA256 = re.compile(r"[0-9a-f]{64}")


class RemoteFile(msgspec.Struct, frozen=True):
    """A file of a repository.

    `size` is in bytes; `sha256` the hex digest of the content, None for small files that git keeps
    itself; `blob` then is the git object's id, a SHA-1 over length and content.
    """

    path: str
    size: int
    sha256: str | None
    blob: str

    @property
    def etag(self) -> str:
        """Name of its content in the user's cache."""
        return self.sha256 or self.blob


class Listing(msgspec.Struct, frozen=True):
    """The files of a repository at one commit, in the order of their paths."""

    repo: str
    commit: str
    files: tuple[RemoteFile, ...]


def list_files(address: Address) -> Listing:
    """The files in the repository at the address's revision, resolved to a commit.

    One request; none for a commit that was listed before, whose content cannot change, and none
    in offline mode (`HF_HUB_OFFLINE`), which knows what was listed or downloaded before. Raises
    InputError with one line where the hub does not have it, does not give it, or is not reached.
    """
    from huggingface_hub import constants

    cached = _cached_listing(address)
    if cached is not None and (address.pinned or constants.is_offline_mode()):
        return cached
    if constants.is_offline_mode():
        return _offline_listing(address)
    fresh = _request_listing(address)
    _cache_listing(address, fresh)
    return fresh


def repo_folder(repo: str) -> str:
    """A repository's name as one folder name."""
    return repo.replace("/", "--")


def _request_listing(address: Address) -> Listing:
    from huggingface_hub import HfApi, constants

    remote = RemotePath(address.repo, None, address.revision)
    with translate_hub_errors(remote, InputError), translate_parse_errors(remote):
        info = HfApi(library_name="quantgrid").model_info(
            address.repo,
            revision=address.revision,
            files_metadata=True,
            timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
        )
        files = [
            RemoteFile(
                path=sibling.rfilename,
                size=int(sibling.lfs.size if sibling.lfs else sibling.size or 0),
                sha256=sibling.lfs.sha256 if sibling.lfs else None,
                blob=str(sibling.blob_id or ""),
            )
            for sibling in info.siblings or []
            if _stays_inside(sibling.rfilename)
        ]
        commit = str(info.sha)
    return Listing(address.repo, commit, tuple(sorted(files, key=lambda file: file.path)))


def _stays_inside(path: str) -> bool:
    """Whether a path leads nowhere outside the folder that it is put into."""
    return "\\" not in path and not any(part in ("", ".", "..") for part in path.split("/"))


def _listing_path(repo: str, revision: str) -> Path:
    return cache_dir() / "hub" / "listings" / repo_folder(repo) / f"{quote(revision, safe='')}.json"


def _cached_listing(address: Address) -> Listing | None:
    path = _listing_path(address.repo, address.revision or DEFAULT_REVISION)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Listing)
    except (OSError, msgspec.DecodeError):
        return None


def _cache_listing(address: Address, listing: Listing) -> None:
    """Store the listing for offline work; a cache that cannot be written is no error."""
    content = msgspec.json.encode(listing)
    for revision in (listing.commit, address.revision or DEFAULT_REVISION):
        try:
            write_atomically(_listing_path(address.repo, revision), content)
        except OSError:
            return


def _offline_listing(address: Address) -> Listing:
    """The files that other programs have put into the user's cache of the hub."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    folder = Path(constants.HF_HUB_CACHE) / repo_folder_name(
        repo_id=address.repo, repo_type="model"
    )
    revision = address.revision or DEFAULT_REVISION
    reference = folder / "refs" / revision
    commit = reference.read_text().strip() if reference.is_file() else revision
    snapshot = folder / "snapshots" / commit
    if not snapshot.is_dir():
        raise InputError(
            f"{address}: HF_HUB_OFFLINE is set and nothing of {address.repo} at {revision} is in "
            "the cache; unset it to ask the hub, or name a revision that is there"
        )
    files = [
        _snapshot_file(snapshot, path) for path in sorted(snapshot.rglob("*")) if path.is_file()
    ]
    return Listing(address.repo, commit, tuple(files))


def _snapshot_file(snapshot: Path, path: Path) -> RemoteFile:
    """A file of a snapshot: a link to its content, which is named by its hash; where the system has
    no links the content itself."""
    etag = path.readlink().name if path.is_symlink() else file_sha256(path)
    sha256 = etag if _SHA256.fullmatch(etag) else None
    return RemoteFile(
        path=path.relative_to(snapshot).as_posix(),
        size=path.stat().st_size,
        sha256=sha256,
        blob="" if sha256 else etag,
    )
