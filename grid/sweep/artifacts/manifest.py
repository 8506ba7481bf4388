"""Describes a set of files by names, sizes and hashes: peers agree on it before bytes travel."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import msgspec

from grid.errors import EngineError
from grid.models.checksum import file_sha256
from grid.models.identity import digest

_SPLIT = re.compile(r".*-(\d{5})-of-(\d{5})\.([^./]+)", re.DOTALL)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NEVER = frozenset(
    {".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".dill", ".joblib"}  # pickles
    | {".py", ".pyc", ".pyd", ".so", ".dylib", ".dll", ".exe", ".sh"}
)
"""Suffixes of what can hold code: no engine of ours reads it from a folder, and it travels nowhere.
What NumPy writes stays data, since pickles in it are refused by those who read it."""


class FileEntry(msgspec.Struct, frozen=True):
    """One file: its relative name with forward slashes, size in bytes, SHA-256 in hex."""

    name: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """Files that are one item, in the order of their names."""

    files: tuple[FileEntry, ...]

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def identity(self) -> str:
        """Equal where names and bytes are."""
        return digest("manifest", [(file.name, file.sha256) for file in self.files])

    @property
    def sha256(self) -> str:
        """As `ArtifactFacts.sha256`: of one file, or of the digests of a split file's parts; empty
        for a folder."""
        if any("/" in file.name for file in self.files):
            return ""
        digests = [file.sha256 for file in self.files]
        return digests[0] if len(digests) == 1 else sha256("".join(digests).encode()).hexdigest()


def main_name(stem: str, file_name: str, form: str) -> str:
    """Name of the file or folder by which an item is opened: `stem` and its format; of a file that
    is split (`file_name` ends in -00001-of-00003.gguf) with the numbers that its reader looks
    for."""
    split = _SPLIT.fullmatch(file_name)
    return f"{stem}-{split[1]}-of-{split[2]}.{split[3]}" if split else f"{stem}.{form}"


def named_files(path: Path, main: str) -> dict[str, Path]:
    """The files that are `path`, by the names they travel under, `main` in place of its own name:
    all that is in a folder but for hidden files, code, and names that a peer would refuse; all
    parts of a split file. Links to files count as what they lead to. Raises OSError."""
    if path.is_dir():
        inside = {f"{main}/{name}": file for name, file in sorted(_inside(path).items())}
        return {name: file for name, file in inside.items() if _belongs(name, main)}
    split = _SPLIT.fullmatch(path.name)
    if split is None:
        return {main: path}
    ending = f"-of-{split[2]}.{split[3]}"
    start, stem = path.name[: -len(ending) - 5], main[: -len(ending) - 5]
    numbers = [f"{number:05}" for number in range(1, int(split[2]) + 1)]
    return {f"{stem}{n}{ending}": path.with_name(f"{start}{n}{ending}") for n in numbers}


def manifest_of(files: Mapping[str, Path]) -> Manifest:
    """Hashes the files; a large one is read once, as long as it does not change. Raises OSError."""
    return Manifest(
        tuple(
            FileEntry(name, path.stat().st_size, file_sha256(path)) for name, path in files.items()
        )
    )


def check_names(manifest: Manifest, main: str) -> None:
    """Raises EngineError where a file would lie anywhere but at `main`, below it, or beside it as
    another part of a split file; or where a size or a hash is none."""
    names: set[str] = set()
    for file in manifest.files:
        if not _belongs(file.name, main) or file.name in names:
            raise EngineError(f"a peer offers a file under a name that is refused: {file.name!r}")
        if file.size < 0 or _SHA256.fullmatch(file.sha256) is None:
            raise EngineError(f"a peer offers a file without size or hash: {file.name!r}")
        names.add(file.name)
    if not manifest.files:
        raise EngineError(f"a peer offers {main!r} without any file")


def _belongs(name: str, main: str) -> bool:
    parts = name.split("/")
    if any(not part or part.startswith(".") or set(part) & {"\\", "\0"} for part in parts):
        return False
    if parts[0] == main:
        return len(parts) == 1 or Path(name).suffix.lower() not in _NEVER
    main_part, named_part = _SPLIT.fullmatch(main), _SPLIT.fullmatch(name)
    if main_part is None or named_part is None or len(parts) > 1:
        return False
    return main.replace(f"-{main_part[1]}-of-", f"-{named_part[1]}-of-") == name


def _inside(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(top, name)
            if path.is_file():
                files[path.relative_to(folder).as_posix()] = path
    return files
