"""The weights that a sweep file names: bundled, in a file, in a folder, or on a hub."""

from __future__ import annotations

from collections.abc import Mapping
from glob import escape, glob
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from grid.backend import Backend, Inspection
from grid.errors import InputError, did_you_mean
from grid.models import bundled as reference
from grid.models.artifact import Artifact
from grid.models.checkpoint.inspection import inspect, is_checkpoint
from grid.models.detect import format_of
from grid.models.model import Model
from grid.plan.sweep import ModelEntry, Sweep

if TYPE_CHECKING:
    from grid.models.hub import Weights

BUNDLED = "ref:"
HUB = "hf:"

_FULL_BITS = 16.0


class Origin(NamedTuple):
    """Weights that are there before the sweep."""

    artifact: Artifact
    written: str
    """How a node finds them again: as in the sweep file, paths made absolute."""
    headers: Path
    """Where their headers can be read now, though the weights may be far away."""
    is_folder: bool
    bundled: bool = False


def source_folder(source: str) -> Path:
    """Folder of the weights that a `ref:` source names. Raises InputError for an unknown size."""
    size = source.removeprefix(BUNDLED)
    if size not in reference.SIZES:
        known = [BUNDLED + name for name in (*reference.SIZES, "*")]
        raise InputError(f"unknown model {source!r}. {did_you_mean(source, known)}")
    return reference.size_dir(size)


class Origins:
    """Reads what one model entry names. Every method raises InputError, one line."""

    def __init__(self, sweep: Sweep, backends: Mapping[str, Backend], entry: ModelEntry) -> None:
        self._sweep = sweep
        self._backends = backends
        self._entry = entry

    def source(self) -> Origin:
        """The 16 or 32-bit weights to be quantized."""
        written = self._entry.source
        if written.startswith(BUNDLED):
            return self._bundled(written)
        found = self._one(written)
        self._refuse_quantized(
            found,
            f"{written} has {{bits}} bits a weight; quants are made from 16 or 32 bits. To measure "
            "it as it is, give files instead of source",
        )
        return found

    def files(self) -> list[Origin]:
        """What the entry's patterns match, each once."""
        found: dict[str, Origin] = {}
        for pattern in self._entry.files:
            for one in self._matching(pattern):
                first = found.setdefault(one.artifact.id, one)
                if first.written != one.written:
                    raise InputError(f"{first.written} and {one.written} are the same weights")
        return list(found.values())

    def reference(self) -> Origin | None:
        """The 16-bit weights that the entry's files are compared with."""
        if not self._entry.reference:
            return None
        found = self._one(self._entry.reference)
        self._refuse_quantized(
            found,
            f"reference {self._entry.reference} has {{bits}} bits a weight; it must have 16 or 32, "
            "because the others are compared with it",
        )
        return found

    def _bundled(self, source: str) -> Origin:
        folder = source_folder(source)
        found = inspect(folder)
        model = msgspec.structs.replace(
            found.model, name=source.removeprefix(BUNDLED), family="reference", source=source
        )
        artifact = Artifact(
            model=self._named(model),
            format="safetensors",
            quant=found.quant,
            path=str(folder),
            facts=found.facts,
        )
        return Origin(artifact, source, folder, is_folder=True, bundled=True)

    def _one(self, written: str) -> Origin:
        """The file, or the folder, that is written there."""
        if written.startswith(HUB):
            found = self._on_hub(written)
            if len(found) > 1:
                names = ", ".join(one.written.rpartition("/")[2] for one in found[:3])
                raise InputError(f"{written} matches {len(found)} files ({names}, ...); name one")
            return found[0]
        return self._local(self._sweep.path(written))

    def _matching(self, pattern: str) -> list[Origin]:
        if pattern.startswith(HUB):
            return self._on_hub(pattern)
        written = Path(pattern).expanduser()
        rooted = str(written if written.is_absolute() else Path(escape(self._sweep.base), written))
        found = [Path(path).resolve() for path in sorted(glob(rooted, recursive=True))]
        found = [path for path in dict.fromkeys(found) if path.is_file() or is_checkpoint(path)]
        if not found:
            raise InputError(f"no file matches {pattern!r} (from {self._sweep.base})")
        return [self._local(path) for path in found]

    def _local(self, path: Path) -> Origin:
        if not path.exists():
            near = did_you_mean(path.name, (p.name for p in path.parent.glob(f"*{path.suffix}")))
            raise InputError(f"no file {path}. {near}".rstrip())
        return Origin(self._artifact(path, str(path)), str(path), path, is_folder=path.is_dir())

    def _artifact(self, path: Path, written: str) -> Artifact:
        form = format_of(path)
        found = self._inspected(path, form, written)
        return Artifact(
            model=self._named(msgspec.structs.replace(found.model, source=written)),
            format=form,
            quant=found.quant,
            path=str(path),
            facts=found.facts,
        )

    def _on_hub(self, written: str) -> list[Origin]:
        """What an address of the hub means, known from headers: the weights stay there for now."""
        from grid.models import hub

        address = hub.parse(written)
        return [self._remote(one) for one in hub.select(hub.listing(address), address.file)]

    def _remote(self, weights: Weights) -> Origin:
        from grid.models import hub

        seen: list[tuple[Path, str]] = []

        def read(path: Path) -> Inspection:
            seen.append((path, format_of(path)))
            return self._inspected(path, seen[-1][1], str(weights.address))

        found = hub.inspect(weights, read)
        headers, form = seen[-1]
        artifact = Artifact(
            model=self._named(found.model), format=form, quant=found.quant, facts=found.facts
        )
        return Origin(artifact, str(weights.address), headers, is_folder=weights.folder)

    def _inspected(self, path: Path, form: str, written: str) -> Inspection:
        """As the first of the sweep's backends that reads the format sees it; a 16-bit folder may
        also be there to be converted."""
        readers = [one for one in self._backends.values() if form in one.formats]
        makers = (one for one in self._backends.values() if "quantizes" in one.capabilities)
        if not readers and form == "safetensors" and any(makers):
            return inspect(path)
        if not readers:
            known = {form for one in self._backends.values() for form in one.formats}
            raise InputError(
                f"{written}: none of the sweep's backends reads "
                f"{form or 'files without a suffix'}; they read {', '.join(sorted(known))}"
            )
        return readers[0].inspect(path)

    def _refuse_quantized(self, found: Origin, told: str) -> None:
        facts = found.artifact.facts
        if facts is not None and facts.bpw_layer < _FULL_BITS:
            raise InputError(told.format(bits=f"{facts.bpw_layer:.3g}"))

    def _named(self, model: Model) -> Model:
        if not self._entry.name:
            return model
        return msgspec.structs.replace(model, name=self._entry.name)
