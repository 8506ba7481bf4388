"""Rules of the declaration: they hold where the engine is not installed, too."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grid.backend import Availability
from grid.cells.workload import Memory
from grid.errors import InputError
from grid.models.artifact import Artifact
from grid.models.detect import format_of, weight_files
from grid.testing.case import Case
from grid.testing.rules import NotTried, raises, require, rule


@rule(loads=False)
def options_are_complete_and_checked(case: Case) -> None:
    options = case.complete()
    require(case.backend.options(options, case.node) == options, "complete options are kept")
    noise = case.backend.noise_options(options)
    require(set(noise) == set(options), "noise options have the same names")
    optional: frozenset[str] = getattr(case.backend, "speculative_options", frozenset())
    unknown = sorted(case.backend.speed_only - set(options) - optional)
    require(not unknown, f"speed_only names options, not {', '.join(unknown)}")
    telling = set(options) - case.backend.speed_only
    require(
        any(noise[name] != options[name] for name in telling),
        "noise options differ in one that is not in speed_only",
    )
    require(case.backend.options(noise, case.node) == noise, "noise options are valid")
    with raises(InputError, "an unknown option is an input error"):
        case.backend.options({**options, "no_such_option": 1}, case.node)


@rule(loads=False)
def inspection_describes_the_file(case: Case) -> None:
    inspection = case.backend.inspect(case.path)
    size = sum(file.stat().st_size for file in weight_files(case.path))
    require(inspection.facts.bytes == size, "facts.bytes is the size of the weight files")
    require(len(inspection.facts.sha256) == 64, "facts.sha256 is a SHA-256 in hex")
    require(inspection.model.parameters > 0, "a model has parameters")
    require(case.backend.inspect(case.path) == inspection, "the same file is described the same")


@rule(loads=False)
def needs_grow_with_the_context(case: Case) -> None:
    inspection = case.backend.inspect(case.path)
    artifact = Artifact(
        model=inspection.model,
        format=format_of(case.path),
        quant=inspection.quant,
        facts=inspection.facts,
    )
    short, long = (
        case.backend.needs(artifact, inspection.facts.bytes, case.complete(), Memory(n))
        for n in (512, 65_536)
    )
    require(short.host_bytes + short.device_bytes > 0, "a cell takes memory")
    require(long.host_bytes >= short.host_bytes, "a longer context needs no less of the host")
    require(long.device_bytes >= short.device_bytes, "a longer context needs no less of the device")


@rule(loads=False)
def a_wrong_file_is_one_clear_line(case: Case) -> None:
    original = weight_files(case.path)[0].read_bytes()
    for content in (b"", b"\0" * 4096, original[:40]):
        with _copy(case.path) as path:
            weight_files(path)[0].write_bytes(content)
            with raises(InputError, "inspecting a wrong file is an input error"):
                case.backend.inspect(path)


@contextmanager
def _copy(path: Path) -> Iterator[Path]:
    """A copy of a weight file or folder that a check may damage."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / path.name
        if path.is_dir():
            shutil.copytree(path, target)
        else:
            shutil.copyfile(path, target)
        yield target


@rule(loads=False)
def the_probe_is_honest(case: Case) -> None:
    """Ready means an engine that loads and is of the version said; not ready, why and what mends
    it."""
    availability = case.backend.probe(case.node)
    require(isinstance(availability, Availability), "probe answers with an Availability")
    if not availability.ready:
        require(bool(availability.reason), "a backend that is not ready gives the reason")
        require(bool(availability.mend), "a backend that is not ready says what mends it")
        raise NotTried(f"not ready: {availability.reason}")
    require(bool(availability.version), "a backend that is ready has a version")
    with case.engine() as engine:
        version = str(engine.version)
    same = bool(version) and (version in availability.version or availability.version in version)
    require(
        same, f"probe says version {availability.version}, the loaded engine {version or 'none'}"
    )
