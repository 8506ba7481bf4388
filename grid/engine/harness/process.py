"""The harness's process, in an environment of its own that is made at its first use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from grid.engine.closable import Closable
from grid.engine.environments import ensure_tool, find_tool
from grid.engine.harness import messages
from grid.engine.installer_lines import InstallerLines
from grid.engine.process import EngineProcess
from grid.errors import EngineError, InputError

HARNESS = "lm-evaluation-harness"
HARNESS_VERSION = "0.4.13"
"""As pinned in its requirements."""

REQUIREMENTS = Path(__file__).with_name("runtime.txt")
HOST = "grid.engine.harness.host"


def is_installed() -> bool:
    """Whether the harness's environment is made."""
    return find_tool(REQUIREMENTS) is not None


def install(say: Callable[[str], None] = lambda line: None) -> None:
    """Make the harness's environment unless it is there. Raises EngineError where that fails."""
    ensure_tool(HARNESS, REQUIREMENTS, say)


class HarnessProcess(Closable):
    """A child with the harness imported; started by the first request, one request at a time."""

    def __init__(self, say: Callable[[str], None] = lambda line: None) -> None:
        self._say = say
        self._process: EngineProcess | None = None

    def ask(self, request: messages.Request, timeout_s: float) -> messages.Reply:
        """The reply, which is never Refused. Raises InputError where data are at fault, else
        EngineError; the process is then started anew by the next request."""
        if self._process is None:
            if not is_installed():
                self._say(f"making the environment of {HARNESS}, once")
            interpreter = ensure_tool(HARNESS, REQUIREMENTS, InstallerLines(self._say))
            self._process = EngineProcess(interpreter.python, interpreter.imports, HOST)
        try:
            line = self._process.exchange(messages.encode(request), timeout_s)
        except EngineError as error:
            self.close()
            raise EngineError(f"{HARNESS}: {error}") from error
        reply = messages.decode_reply(line)
        if isinstance(reply, messages.Refused):
            raise (InputError if reply.input else EngineError)(reply.reason)
        return reply

    def close(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None
