"""Rules of serving: the commands of an optional `serve_command`."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from grid.backend import Artifact, ServeCommand, ServeRequest, Serves, ShellCommand
from grid.errors import Unsupported
from grid.models.detect import format_of
from grid.testing.case import Case
from grid.testing.rules import NotTried, require, rule

PATH = "/models of mine/it's here"
"""A folder that a shell reads only where it is quoted."""

HELP_TIMEOUT_S = 300.0
"""A stack that takes a minute to import lists its options after that."""


@rule(loads=False)
def serve_commands_are_shell_lines(case: Case) -> None:
    """They are read back as they were meant, hold the weights' path, and need no engine."""
    for command in _commands(case, f"{PATH}/{case.path.name}"):
        require(
            bool(command.program and command.commands), "a way to serve has a name and commands"
        )
        for line in command.commands:
            words = shlex.split(line.text().replace("\\\n", ""))  # as a shell joins lines
            meant = [f"{name}={value}" for name, value in line.environment.items()]
            meant += [*line.argv, *(["&"] if line.background else [])]
            require(words == meant, f"{command.program}: a shell reads {words} of {meant}")
        text = command.text()
        named = any(PATH in word for line in command.commands for word in line.argv)
        named |= any(PATH in content for content in command.files.values())
        require(named, f"{command.program}: no command names the weights: {text}")
        require(all("\n" not in note for note in command.notes), "notes are of one line")


@rule()
def the_engine_accepts_its_serve_commands(case: Case) -> None:
    """Each program that is installed reads its command, and lists every option in it."""
    tried = [
        accepted
        for command in _commands(case, str(case.path))
        for line in command.commands
        if (accepted := _accepts(line)) is not None
    ]
    if not tried:
        raise NotTried("none of the programs that serve it is installed")
    for complaint in tried:
        require(complaint == "", complaint)


def _commands(case: Case, path: str) -> Sequence[ServeCommand]:
    """For the case's weights as if they lay at `path`."""
    backend = case.backend
    if not isinstance(backend, Serves):
        raise NotTried(f"{backend.name} does not declare serve_command")
    inspection = backend.inspect(case.path)
    artifact = Artifact(
        model=inspection.model, format=format_of(case.path), quant=inspection.quant, path=path
    )
    request = ServeRequest(
        context=case.context, platform=case.device.partition(":")[0], options=case.complete()
    )
    try:
        commands = backend.serve_command(artifact, request)
    except Unsupported as error:
        raise NotTried(str(error)) from None
    require(bool(commands), "serve_command gives a command, or raises Unsupported")
    return commands


def _accepts(line: ShellCommand) -> str | None:
    """What is wrong with a command by its own program; empty where nothing is, None where the
    program is not there or does not list its options."""
    program, arguments = _program(line)
    path = _find(program[0])
    if path is None:
        return None
    start = [path, *program[1:]]
    shown = _run([*start, *arguments, *line.help])
    if shown.returncode:
        if "Traceback" in shown.stderr or _run([*start, *line.help]).returncode:
            return None  # it does not start here, whatever its arguments
        complaint = _last_line(shown.stderr or shown.stdout)
        return f"{line.argv[0]} refuses {shlex.join(line.argv)}: {complaint}"
    listed = set(re.split(r"[\s,=\[\]|]+", shown.stdout))
    lacking = [word for word in arguments if _is_option(word) and word not in listed]
    return f"{line.argv[0]} lists no option {', '.join(lacking)}" if lacking else ""


def _program(line: ShellCommand) -> tuple[Sequence[str], Sequence[str]]:
    """A command's program, with the module that Python runs, and its arguments."""
    length = 3 if line.argv[:2] == ("python", "-m") else 1
    return line.argv[:length], line.argv[length:]


def _is_option(word: str) -> bool:
    return word.startswith("-") and not word[1:].isdigit()


def _find(program: str) -> str | None:
    """This interpreter for `python`; other programs beside it first."""
    if program == "python":
        return sys.executable
    beside = str(Path(sys.executable).parent)
    return shutil.which(program, path=os.pathsep.join([beside, os.environ.get("PATH", "")]))


def _run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """What it prints, in lines wide enough for names that are not cut off."""
    return subprocess.run(
        arguments,
        env={**os.environ, "COLUMNS": "240"},
        capture_output=True,
        text=True,
        timeout=HELP_TIMEOUT_S,
        check=False,
    )


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]
