"""The bytes of a file as text; what is none is said by its kind."""

from __future__ import annotations

import stat
from pathlib import Path

from grid.errors import InputError
from grid.results.imports.cleaning import without_controls

MOST_BYTES = 2**30
"""Largest file that is read; task samples of a whole benchmark are well below it."""

MOST_LINES = 2_000_000
"""A table or log of a benchmark has far fewer; those of junk would take memory and hours."""

_HEAD = 4096
_ARCHIVE = "an archive; unpack it and give the files in it"
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", _ARCHIVE),
    (b"PK\x05\x06", _ARCHIVE),
    (b"\x1f\x8b", _ARCHIVE),
    (b"\x28\xb5\x2f\xfd", _ARCHIVE),
    (b"\xfd7zXZ\x00", _ARCHIVE),
    (b"BZh", _ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", _ARCHIVE),
    (b"Rar!", _ARCHIVE),
    (b"GGUF", "a binary file: weights of a model; give the report of a tool"),
    (b"ARROW1", "a binary file: a table of a store; `grid merge` takes the store's folder"),
    (b"PAR1", "a binary file: Parquet; give the report of a tool"),
    (b"%PDF", "a PDF; save the report itself as text"),
    (b"\x89PNG", "a picture; give the report as text"),
    (b"\xff\xd8\xff", "a picture; give the report as text"),
    (b"SQLite format 3", "a binary file: a database; write the rows as JSON or CSV"),
)
_TAR_MARK, _TAR_AT = b"ustar", 257


def read_text(path: Path) -> str:
    """A text file's content, UTF-8 or UTF-16 with its mark (which a Windows shell writes).

    Raises InputError for a folder, a file that cannot be read, is empty, too large or not text.
    """
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder; give the files in it")
        if not path.exists():
            raise InputError(f"there is no file {path}; check the name")
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path} is no file but a pipe or a device; save its output first")
        with path.open("rb") as file:
            head = file.read(_HEAD)
            _require_text(path, head)
            if status.st_size > MOST_BYTES:
                raise InputError(f"{path} is larger than 1 GiB: no report of a benchmark is")
            content = head + file.read()
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {' '.join(str(error).split())}") from error
    if content.count(b"\n") > MOST_LINES:
        raise InputError(f"{path} has more than {MOST_LINES:,} lines: no report of a benchmark has")
    return decode(path, content)


def decode(path: Path, content: bytes) -> str:
    """The content as text; bytes that are no UTF-8 become U+FFFD, since logs cut names inside a
    character and consoles print other encodings. Raises InputError where it is no text."""
    _require_text(path, content[:_HEAD])
    try:
        text = content.decode("utf-16" if _is_utf16(content) else "utf-8-sig", "replace")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8 (byte {error.start})") from error
    if "\0" in text:
        raise InputError(f"{path} is a binary file; give the tool's own report")
    if not text.strip():
        raise InputError(f"{path} is empty; run the tool again, or give another file")
    return without_controls(text)


def why_no_text(text: str) -> str:
    """Where a text in which no report was recognized is no UTF-8; empty where it is."""
    at = text.find("\ufffd")
    where = len(text[:at].encode("utf-8", "replace"))
    return f"is not text in UTF-8 (byte {where})" if at >= 0 else ""


def _require_text(path: Path, head: bytes) -> None:
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            raise InputError(f"{path} is {kind}")
    if head[_TAR_AT : _TAR_AT + len(_TAR_MARK)] == _TAR_MARK:
        raise InputError(f"{path} is {_ARCHIVE}")
    if b"\0" in head and not _is_utf16(head):
        raise InputError(f"{path} is a binary file; give the tool's own report")


def _is_utf16(content: bytes) -> bool:
    return content[:2] in (b"\xff\xfe", b"\xfe\xff")
