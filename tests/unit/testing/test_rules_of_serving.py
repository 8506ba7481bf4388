"""The conformance suite tries the commands that serve weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from grid_fake import FakeBackend, write
from rule_cases import break_message, case

from grid.backend import (
    Artifact,
    ServeCommand,
    ServeRequest,
    ShellCommand,
)
from grid.testing import check


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "toy.fake")


class Serving(FakeBackend):
    """Serves by other words than the fake backend."""

    def __init__(self, *argv: str) -> None:
        self._argv = argv

    def serve_command(self, artifact: Artifact, request: ServeRequest) -> list[ServeCommand]:
        argv = tuple(str(artifact.path) if word == "PATH" else word for word in self._argv)
        return [ServeCommand(program="fake", commands=(ShellCommand(argv=argv),))]


def test_a_command_that_its_program_refuses_is_broken(path: Path) -> None:
    tried = case(path, Serving("python", "-m", "grid_fake", "PATH", "--context", "many"))
    complaint = break_message("the_engine_accepts_its_serve_commands", tried)
    assert complaint.startswith("python refuses python -m grid_fake")
    assert "invalid int value: 'many'" in complaint


def test_an_option_that_its_program_does_not_list_is_broken(path: Path) -> None:
    tried = case(path, Serving("python", "-m", "grid_fake", "PATH", "--ctx", "64"))
    complaint = break_message("the_engine_accepts_its_serve_commands", tried)
    assert complaint == "python lists no option --ctx"


def test_a_command_without_the_weights_is_broken(path: Path) -> None:
    tried = case(path, Serving("python", "-m", "grid_fake", "--context", "64"))
    complaint = break_message("serve_commands_are_shell_lines", tried)
    assert complaint.startswith("fake: no command names the weights")


def test_a_program_that_is_not_there_is_not_tried(path: Path) -> None:
    tried = case(path, Serving("no-such-server", "PATH"))
    assert check("serve_commands_are_shell_lines", tried) == "ran"
    assert check("the_engine_accepts_its_serve_commands", tried) == (
        "skipped: none of the programs that serve it is installed"
    )
