"""Offers: what this node's disk has for its peers, kept in the cache from sweep to sweep.

An offer lists each file with its place, so that nothing but what was offered is ever given away.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from grid.cache import cache_dir, write_atomically
from grid.sweep.artifacts.manifest import Manifest, manifest_of


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """An item with the absolute paths of its files, in the order of the manifest."""

    key: str
    manifest: Manifest
    places: tuple[str, ...]

    def place(self, name: str) -> Path | None:
        """Where the file of that name lies; None if it is none of this offer's."""
        for file, place in zip(self.manifest.files, self.places, strict=True):
            if file.name == name:
                return Path(place)
        return None

    @property
    def stands(self) -> bool:
        """Whether the files are still there, in their sizes."""
        try:
            sizes = [Path(place).stat().st_size for place in self.places]
        except OSError:
            return False
        return sizes == [file.size for file in self.manifest.files]


def offer(key: str, files: Mapping[str, Path]) -> Manifest | None:
    """Offer files by the names they travel under; hashes them. None where the cache takes no note
    of it: they are here, but nobody can be given them. Raises OSError where they cannot be read."""
    manifest = manifest_of(files)
    places = tuple(str(path.absolute()) for path in files.values())
    new_offer = Offer(key=key, manifest=manifest, places=places)
    try:
        write_atomically(_file(key), msgspec.json.encode(new_offer))
    except OSError:
        with suppress(OSError):
            withdraw(key)  # what was offered before may be something else
        return None
    return manifest


def find_offer(key: str) -> Offer | None:
    """The offer of a key, None where there is none or its files are gone."""
    return _read(_file(key))


def standing_offers() -> list[Offer]:
    """All offers whose files are still there; the others are withdrawn."""
    standing: list[Offer] = []
    for path in sorted(_folder().glob("*.json")):
        offer = _read(path)
        if offer is None:
            path.unlink(missing_ok=True)
        else:
            standing.append(offer)
    return standing


def withdraw(key: str) -> None:
    """Take an offer back."""
    _file(key).unlink(missing_ok=True)


def slug(key: str) -> str:
    """A key as one file name."""
    return key.replace("/", "-")


def _folder() -> Path:
    return cache_dir() / "offers"


def _file(key: str) -> Path:
    return _folder() / f"{slug(key)}.json"


def _read(path: Path) -> Offer | None:
    try:
        offer = msgspec.json.decode(path.read_bytes(), type=Offer)
    except (OSError, msgspec.MsgspecError):
        return None
    return offer if len(offer.places) == len(offer.manifest.files) and offer.stands else None
