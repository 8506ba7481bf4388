"""`python -m grid.testing BACKEND PATH`: the checks in this interpreter, a line for each.

Exits with 1 where a rule is broken, 2 where the command was wrong. Runs in a backend's own
environment too, which has the engine and little else.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import msgspec

from grid.backend import Calibration
from grid.backend.registry import backend
from grid.cache import CACHE_VARIABLE
from grid.cells.texts import CALIBRATION, read_text
from grid.errors import GridError, InputError
from grid.testing import CHECKS, Case, Expected, capabilities, expectation, local_node, report
from grid.testing.runner import BROKEN


def main(arguments: Sequence[str], out: TextIO | None = None) -> int:
    """The exit code; `out` takes what is printed (default: standard output)."""
    flags = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault(CACHE_VARIABLE, folder)  # finding the usual one takes a package
        try:
            case = _case(flags, Path(folder))
            if case.recipe:
                case.find_recipe()
            if flags.write_expected:
                flags.write_expected.write_bytes(
                    msgspec.json.encode(expectation(case, case.backend.name))
                )
            return _run(case, out or sys.stdout, as_json=flags.json)
        except GridError as error:
            sys.stderr.write(f"grid.testing: {error}\n")
            return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m grid.testing", description=__doc__)
    add = parser.add_argument
    add("backend", help="name of an installed backend")
    add("path", type=Path, help="weights that it can load")
    add("--option", action="append", default=[], metavar="K=V", help="engine option, repeatable")
    add("--device", default="cpu", help="where to load (default: cpu)")
    add("--tokens", type=int, default=32, help="tokens that a rule may use at a time")
    add("--loads", type=int, default=4, help="loads that are watched for memory left behind")
    add("--recipe", default="", help="a recipe to be made, inspected and loaded")
    add("--source", type=Path, help="16-bit weights that the recipe is made of (default: PATH)")
    add("--calibration", type=Path, help="text for recipes that take one (default: the bundled)")
    add("--expected", type=Path, help="figures of another engine, as --write-expected wrote them")
    add("--write-expected", type=Path, metavar="FILE", help="write this engine's figures")
    add("--json", action="store_true", help="print one JSON object")
    return parser


def _case(flags: argparse.Namespace, folder: Path) -> Case:
    declaration = backend(flags.backend)
    for path in (flags.path, flags.source):
        if path is not None and not path.exists():
            raise InputError(f"no file {path}")
    return Case(
        declaration,
        flags.path,
        local_node(),
        options=dict(_option(text) for text in flags.option),
        device=flags.device,
        tokens=flags.tokens,
        loads=flags.loads,
        expected=_expected(flags.expected),
        recipe=flags.recipe,
        source=flags.source,
        calibration=_calibration(flags.calibration, flags.tokens, folder),
    )


def _option(text: str) -> tuple[str, str | int | float | bool]:
    """`threads=2`; a value is read as JSON where it is a number or a truth, else as text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--option {text}: expected NAME=VALUE")
    try:
        return name, msgspec.json.decode(value.encode(), type=str | int | float | bool)
    except msgspec.MsgspecError:
        return name, value


def _expected(path: Path | None) -> Expected | None:
    if path is None:
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Expected)
    except OSError as error:
        raise InputError(f"--expected {path}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise InputError(f"--expected {path}: {error}") from None


def _calibration(path: Path | None, tokens: int, folder: Path) -> Calibration:
    """A small set, enough to see that a recipe comes about."""
    if path is None:
        path = folder / "calibration.txt"
        path.write_text(read_text(CALIBRATION).text, encoding="utf-8")
    text = read_text(str(path))
    return Calibration(path=text.source, sha256=text.sha256, samples=8, tokens=max(tokens, 16))


def _run(case: Case, out: TextIO, *, as_json: bool) -> int:
    width = max(map(len, CHECKS))

    def say(name: str, outcome: str) -> None:
        if not as_json:
            out.write(f"{name:{width}}  {outcome}\n")
            out.flush()

    outcomes = report(case, say)
    summary = capabilities(case, outcomes)
    if as_json:
        version = case.backend.probe(case.node).version
        what = {"backend": case.backend.name, "version": version, "path": str(case.path)}
        answer = {**what, "checks": outcomes, "capabilities": summary}
        out.write(json.dumps(answer) + "\n")
    for name, outcome in summary.items():
        say(f"capability {name}", outcome)
    return 1 if any(outcome.startswith(BROKEN) for outcome in outcomes.values()) else 0


def _separate_output() -> TextIO:
    """Standard output for the report alone: what engines print there goes to standard error."""
    own = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return own


if __name__ == "__main__":
    with _separate_output() as own:
        code = main(sys.argv[1:], own)
    sys.exit(code)
