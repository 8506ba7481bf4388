"""Transfer a file's bytes from the hub, continuing where a connection broke."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import IO, Any

from grid.errors import EngineError
from grid.models.checksum import git_hasher
from grid.models.hub.errors import RemotePath
from grid.models.hub.library import utilities
from grid.models.hub.repository import RemoteFile

Advance = Callable[[int], None]
"""Called with the bytes received since the last call; negative where a part was dropped."""

CHUNK_BYTES = 2**20
MAX_TRIES = 4
"""Connections in a row that bring nothing before giving up."""
RETRY_WAIT_S = 1.0
"""Multiplied by the number of fruitless tries."""
_TRANSIENT = (408, 429, 500, 502, 503, 504)


def url_of(repo: str, commit: str, file: RemoteFile) -> str:
    """Where the hub serves the file at that commit."""
    from huggingface_hub import hf_hub_url

    return hf_hub_url(repo, file.path, revision=commit)


def request_headers(start: int, stop: int | None = None) -> dict[str, str]:
    """Headers of a request for the bytes from `start` to before `stop`, as they are stored."""
    last = "" if stop is None else stop - 1
    return {
        **utilities().build_hf_headers(library_name="quantgrid"),
        "Accept-Encoding": "identity",
        "Range": f"bytes={start}-{last}",
    }


def transfer(repo: str, commit: str, file: RemoteFile, target: IO[bytes], advance: Advance) -> str:
    """Append the missing bytes to `target`; returns the hex digest of the whole.

    A connection that breaks is taken up where it broke, as long as bytes come. Raises the errors of
    huggingface_hub and of the network, and EngineError where a server sends nothing.
    """
    part = _GrowingFile(target, file, advance)
    tries = 0
    while part.missing:
        before = part.missing
        try:
            part.receive(url_of(repo, commit, file))
        except Exception as error:
            last = part.missing >= before and tries + 1 >= MAX_TRIES
            if last or not _is_transient(error):
                raise
        tries = 0 if part.missing < before else tries + 1
        if tries >= MAX_TRIES:
            raise EngineError(
                f"{RemotePath(repo, file.path)}: the server sends nothing from byte "
                f"{file.size - part.missing} on; try again later"
            )
        time.sleep(RETRY_WAIT_S * tries)
    return part.digest


def _is_transient(error: Exception) -> bool:
    """Whether a next try may succeed."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in _TRANSIENT
    return isinstance(error, httpx2.TransportError)


class _GrowingFile:
    """A file that grows to its full size, with the hash of what is in it."""

    def __init__(self, target: IO[bytes], file: RemoteFile, advance: Advance) -> None:
        self._target = target
        self._file = file
        self._advance = advance
        self._size = 0
        self._start_hash()
        target.seek(0)
        while chunk := target.read(CHUNK_BYTES):
            self._count(chunk)
        if self._size > file.size:
            self._restart()

    @property
    def missing(self) -> int:
        """Bytes that are still to come."""
        return self._file.size - self._size

    @property
    def digest(self) -> str:
        """Hex digest of the bytes so far, of the kind that the file's listing gives."""
        return str(self._hash.hexdigest())

    def receive(self, url: str) -> None:
        """Request the missing bytes and write those that come before the connection breaks."""
        from huggingface_hub import constants, get_session, hf_raise_for_status

        with get_session().stream(
            "GET",
            url,
            headers=request_headers(self._size),
            timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
        ) as response:
            hf_raise_for_status(response)
            if response.status_code != 206 and self._size:
                self._restart()  # the server sends the whole file whatever was asked for
            for chunk in response.iter_raw():
                self._target.write(chunk[: self.missing])
                self._count(chunk[: self.missing])
            self._target.flush()

    def _count(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self._size += len(chunk)
        self._advance(len(chunk))

    def _restart(self) -> None:
        self._target.seek(0)
        self._target.truncate()
        self._advance(-self._size)
        self._size = 0
        self._start_hash()

    def _start_hash(self) -> None:
        self._hash: Any = hashlib.sha256() if self._file.sha256 else git_hasher(self._file.size)
