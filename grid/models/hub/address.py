"""Addresses of models on the hub: `hf:REPO[/FILE][@REVISION]`."""

from __future__ import annotations

import re

import msgspec

from grid.errors import InputError

PREFIX = "hf:"
WEIGHT_SUFFIXES = (".gguf", ".safetensors")

_NAME = re.compile(r"\w(?:[\w.-]{0,94}\w)?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REVISION = re.compile(r"[\w.+-]+(?:/[\w.+-]+)*", re.ASCII)
_URL = re.compile(r"(?:https?:)?/*[^/]+\.(?:co|com)/(.+)")
_PAGE = re.compile(r"([^/]+/[^/]+)/(?:blob|resolve|tree)/([^/?]+)/?([^?]*)(?:\?.*)?")
_NOT_MODELS = ("datasets", "spaces", "buckets", "kernels")
_FORM = "write hf:owner/name, hf:owner/name/FILE.gguf or hf:owner/name/FILE.gguf@revision"


class Address(msgspec.Struct, frozen=True):
    """A repository and, where given, a file in it and a revision.

    `file` is a path in the repository, a pattern (`*Q4_K_M.gguf`), a folder, or the name of a
    quant; `revision` a branch, tag or commit hash, None for the default branch.
    """

    repo: str
    file: str | None = None
    revision: str | None = None

    def __str__(self) -> str:
        file = f"/{self.file}" if self.file else ""
        return f"{PREFIX}{self.repo}{file}" + (f"@{self.revision}" if self.revision else "")

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit hash, which never changes its content."""
        return self.revision is not None and _COMMIT.fullmatch(self.revision) is not None


def parse(text: str) -> Address:
    """The address in `hf:REPO[/FILE][@REVISION]`. Raises InputError with one line and the remedy.

    A repository is `owner/name`, or one of the old bare names (`gpt2`): what follows a first name
    counts as a file of a bare one where it is a pattern or ends like weights.
    """
    if not text.startswith(PREFIX):
        raise InputError(f"{text!r} names nothing on the hub; {_FORM}")
    location = text.removeprefix(PREFIX)
    _refuse_urls(text, location)
    path, at, revision = location.rpartition("@") if "@" in location else (location, "", "")
    if at and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise InputError(
            f"{text!r}: {revision!r} is no revision; name a branch, a tag or a commit after the @, "
            "or leave the @ out"
        )
    repo, file = _split_path(text, path)
    return Address(repo, file, revision or None)


def _refuse_urls(text: str, location: str) -> None:
    """Raise InputError for a URL of the web site, with the address to write instead."""
    url = _URL.fullmatch(location)
    if url is None and "//" not in location:
        return
    page = _PAGE.fullmatch(url[1]) if url else None
    if page:
        address = Address(page[1], page[3] or None, None if page[2] == "main" else page[2])
        raise InputError(f"{text!r} is an address of a web page; write {address}")
    raise InputError(f"{text!r} is an address of a web page; {_FORM}")


def _split_path(text: str, path: str) -> tuple[str, str | None]:
    parts = path.split("/")
    if parts[0] in _NOT_MODELS:
        raise InputError(f"{text!r} is none of the hub's models; {_FORM}")
    if len(parts) > 1 and ":" in parts[1]:
        name, _, quant = parts[1].partition(":")
        raise InputError(f"{text!r}: a colon is in no name; write hf:{parts[0]}/{name}/{quant}")
    if any(part in ("", ".", "..") or "\\" in part for part in parts):
        raise InputError(f"{text!r} has an empty or relative part; {_FORM}")
    names = 1 if len(parts) == 1 or _is_weight_file(parts[1]) else 2
    for name in parts[:names]:
        _check_name(text, name)
    return "/".join(parts[:names]), "/".join(parts[names:]) or None


def _is_weight_file(part: str) -> bool:
    return part.endswith(WEIGHT_SUFFIXES) or is_pattern(part)


def is_pattern(file: str) -> bool:
    """Whether it is a pattern, which stands for every file that it matches."""
    return any(character in file for character in "*?[")


def _check_name(text: str, name: str) -> None:
    if not _NAME.fullmatch(name) or "--" in name or ".." in name or name.endswith(".git"):
        raise InputError(
            f"{text!r}: {name!r} cannot name an owner or a repository, which has letters, digits "
            f"and single . - _ inside; {_FORM}"
        )
