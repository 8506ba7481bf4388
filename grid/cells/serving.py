"""How weights are run for use: what is requested of a server, and the commands that start it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

WIDTH = 80
"""Columns of a terminal that commands are broken for."""

_INDENT = "    "
_CONTINUED = " \\"


class ServeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What an artifact is to be run with: that which advice on it assumed.

    `context` is the tokens of one session, of which `sessions` run at once; `kv_type` is ggml's
    name of the type of the KV cache, `kv_bytes` the size of it for all sessions (0: not known).
    `platform` is cuda, rocm, metal, vulkan or cpu, with `cards` accelerators; `device_share` is
    the part of their memory that models can have (None: not known). `gpu_layers` is the layers on
    the accelerator (None: as `options` say, else all), `cpu_expert_layers` those whose experts
    stay in main memory all the same. `options` are the engine's, complete, as they were measured;
    of another machine where not `same_hardware`: then threads and placement are not for this one.
    """

    context: int
    sessions: int = 1
    kv_type: str = "f16"
    kv_bytes: int = 0
    platform: str = "cpu"
    cards: int = 1
    device_share: float | None = None
    gpu_layers: int | None = None
    cpu_expert_layers: int = 0
    options: Mapping[str, Any] = msgspec.field(default_factory=dict)
    same_hardware: bool = True

    @property
    def on_cpu(self) -> bool:
        """Whether no accelerator computes."""
        return self.platform == "cpu"


class ShellCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A program with its arguments, unquoted. `environment` is set for it alone, `background` lets
    it run on; `help` are the arguments that make it list its options instead."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = msgspec.field(default_factory=dict)
    background: bool = False
    help: tuple[str, ...] = ("--help",)

    def text(self, width: int = WIDTH) -> str:
        """For a shell: quoted, and broken by backslashes where it is wider than `width` columns."""
        groups = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        groups += [shlex.join(group) for group in _option_groups(self.argv)]
        return _wrap([*groups, "&"] if self.background else groups, width)


class ServeCommand(msgspec.Struct, frozen=True, kw_only=True):
    """One way to run an artifact.

    `program` is the name that people know it by. `files` are texts by name, written first; then
    `commands` run in order. `url` is where the server answers as OpenAI's API does, empty where it
    does not. `notes` say in a line each what it takes, and what it does otherwise than requested.
    """

    program: str
    commands: tuple[ShellCommand, ...]
    files: Mapping[str, str] = msgspec.field(default_factory=dict)
    url: str = ""
    notes: tuple[str, ...] = ()

    def text(self, width: int = WIDTH) -> str:
        """All of it for a shell, to be pasted as it is."""
        written = [
            f"cat > {shlex.quote(name)} <<'END'\n{text.rstrip()}\nEND"
            for name, text in self.files.items()
        ]
        return "\n".join([*written, *(command.text(width) for command in self.commands)])


def _option_groups(argv: Sequence[str]) -> Iterator[list[str]]:
    """The program, then each option with its value: what stands on one line together."""
    start = 3 if argv[:2] == ("python", "-m") else 1
    group = list(argv[:start])
    for word in argv[start:]:
        if group and word.startswith("-") and not word[1:].isdigit():
            yield group
            group = []
        group.append(word)
    yield group


def _wrap(groups: Sequence[str], width: int) -> str:
    lines = [groups[0]]
    for group in groups[1:]:
        if len(lines[-1]) + 1 + len(group) <= width - len(_CONTINUED):
            lines[-1] += f" {group}"
        else:
            lines.append(_INDENT + group)
    return f"{_CONTINUED}\n".join(lines)
