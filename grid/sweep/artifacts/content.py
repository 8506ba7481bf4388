"""Whether files on disk still hold what is known of them: read whole once per sweep, in a thread
beside the loading of the engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from grid.errors import EngineError, InputError
from grid.models.checksum import joint_sha256, read_sha256
from grid.models.detect import weight_files
from grid.models.split_files import part_paths

Stamp = tuple[tuple[str, int, int, int], ...]
"""Name, size, time of change and inode of each file."""


class ContentChanged(EngineError):
    """A file holds another content than is known of it."""


class ContentCheck:
    """Hashes the files of an artifact and compares with the hash that rows state of it."""

    def __init__(self, path: Path, sha256: str) -> None:
        self._path, self._sha256 = path, sha256
        self._thread: threading.Thread | None = None
        self._actual = ""
        self._stamp: Stamp | None = None
        self._error = ""
        self.seconds = 0.0
        """How long hashing took."""

    @property
    def done(self) -> bool:
        """Whether it has begun and ended."""
        return self._thread is not None and not self._thread.is_alive()

    @property
    def stands(self) -> bool:
        """Whether the files have not changed since they were read, as far as their sizes and times
        say: what came of it, right or wrong, still holds."""
        return self._stamp is not None and self._stamp == _stamp(_files(self._path))

    def start(self) -> None:
        """Begin, unless it has begun."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Return once the content is known to be right; files that changed since they were read are
        read again. Raises ContentChanged where it is not, EngineError where it cannot be read."""
        self.start()
        assert self._thread is not None
        self._thread.join()
        if not self._error and _stamp(_files(self._path)) not in (None, self._stamp):
            self._run()
        if self._error:
            raise EngineError(f"{self._path} cannot be read: {self._error}")
        if self._sha256 and self._actual != self._sha256:
            raise ContentChanged(
                f"{self._path} changed on disk: its sha256 is {self._actual[:12]}…, not "
                f"{self._sha256[:12]}…"
            )

    def _run(self) -> None:
        start = time.perf_counter()
        try:
            files = _files(self._path)
            stamp = _stamp(files)
            self._actual = joint_sha256([read_sha256(file) for file in files])
        except (OSError, InputError) as error:
            self._error = str(error)
            return
        self._stamp = stamp
        self.seconds = time.perf_counter() - start


def _files(path: Path) -> Sequence[Path]:
    """The files whose hashes make `ArtifactFacts.sha256`, in their order."""
    if path.is_dir():
        return sorted(weight_files(path), key=lambda file: file.name)
    return part_paths(path)


def _stamp(files: Sequence[Path]) -> Stamp | None:
    """None where one is gone."""
    try:
        stats = [(str(file), file.stat()) for file in files]
    except OSError:
        return None
    return tuple((name, stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in stats)


class ContentChecks:
    """The checks of one sweep on this node: each file once, as long as it does not change."""

    def __init__(self) -> None:
        self._checks: dict[tuple[str, Path], ContentCheck] = {}

    def of(self, path: Path, sha256: str) -> ContentCheck:
        """The check of the files at a path, done before or not, against the hash that is known of
        them."""
        check = self._checks.get((sha256, path))
        if check is None or (check.done and not check.stands):
            check = self._checks[sha256, path] = ContentCheck(path, sha256)
        return check
