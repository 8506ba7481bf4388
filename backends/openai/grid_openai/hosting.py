"""Where an engine's server comes from: it runs already, or it is started for an artifact."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import msgspec
from grid_llamacpp.serving import serve_command as serve_gguf
from grid_vllm.serving import serve_command as serve_folder

from grid.backend import (
    Artifact,
    EndpointSettings,
    EngineError,
    InputError,
    Options,
    ServeCommand,
    ServeRequest,
    Unsupported,
)
from grid.models.artifact import Inspection
from grid_openai.client import Client
from grid_openai.describe import describe
from grid_openai.description import Description, Program, read_description
from grid_openai.server import Server, free_port

FIRST_CONTEXT = 2048
"""Tokens that a started server has room for until more are needed."""

SERVED_NAME = "served"


class Hosting(Protocol):
    """A server for an engine."""

    description: Description
    client: Client
    context: int
    """Tokens that it has room for; 0 where it does not say it."""

    def require(self, context: int, scoring: bool = False) -> None:
        """Make room for so many tokens, and be able to score. A server that was started is started
        again where that takes it; Raises Unsupported where one that runs already has no room."""
        ...

    def peak_bytes(self) -> int: ...

    def explain(self, error: EngineError) -> EngineError:
        """The error with what the server's log says, where it has ended."""
        ...

    def close(self) -> None: ...


class Attached:
    """A server that runs already, which must serve what the plan saw."""

    def __init__(self, path: Path, options: Options) -> None:
        planned = read_description(path)
        self.client = Client(
            planned.url, planned.key_variable, timeout_s=float(options["answer_limit"])
        )
        settings = EndpointSettings(
            url=planned.url,
            model=planned.model,
            flavour=planned.flavour if planned.flavour != "openai" else "",
            key_variable=planned.key_variable,
        )
        try:
            present = describe(planned.url, settings)
        except InputError as error:
            raise EngineError(str(error)) from error
        for name in ("program", "digest", "parameters", "weight_bytes"):
            then, now = getattr(planned, name), getattr(present, name)
            if then != now and then and now:
                raise EngineError(
                    f"{planned.url}: it serves other weights than planned ({name} {now}, not "
                    f"{then}); run the sweep again"
                )
        self.description = msgspec.structs.replace(planned, version=present.version)
        self.context = planned.context

    def require(self, context: int, scoring: bool = False) -> None:
        if 0 < self.context < context:
            raise Unsupported(
                f"{self.client.url}: {context} tokens of context are needed, it has {self.context}"
            )

    def peak_bytes(self) -> int:
        raise Unsupported(
            "the memory of a server that runs already is not known here; let the sweep start it"
        )

    def explain(self, error: EngineError) -> EngineError:
        return error

    def close(self) -> None:
        """It is not ours to end."""


class Started:
    """A server of our own for a GGUF file or a folder in Hugging Face's layout."""

    def __init__(self, path: Path, inspection: Inspection, device: str, options: Options) -> None:
        self._path, self._inspection, self._options = path, inspection, options
        self._platform = device.partition(":")[0]
        self.program = _program(path, str(options["serve"]))
        limit = inspection.model.context_length or FIRST_CONTEXT
        self.context, self._scores = min(limit, FIRST_CONTEXT), False
        self._stack = ExitStack()
        self._start()

    def _start(self) -> None:
        port = free_port()
        argv, environment = self._command(port)
        self._server = Server(
            argv,
            environment,
            port,
            _READY[self.program],
            limit_s=float(self._options["start_limit"]),
        )
        self._stack.callback(self._server.close)
        self.client = Client(self._server.url, timeout_s=float(self._options["answer_limit"]))
        self.description = Description(
            url=self._server.url,
            model=self._served_name(),
            program=self.program,
            tokenizer=str(self._path),
            name=self._inspection.model.name,
        )

    def _served_name(self) -> str:
        if self.program != "ollama":
            return SERVED_NAME
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="grid-ollama-")))
        return self._create_in_ollama(folder)

    def _create_in_ollama(self, folder: Path) -> str:
        modelfile = folder / "Modelfile"
        modelfile.write_text(f"FROM {self._path.resolve()}\n")
        done = subprocess.run(
            ["ollama", "create", SERVED_NAME, "-f", str(modelfile)],
            env={**os.environ, "OLLAMA_HOST": self._server.url.removeprefix("http://")},
            capture_output=True,
            text=True,
            timeout=float(self._options["start_limit"]),
            check=False,
        )
        if done.returncode:
            last = " ".join((done.stderr or done.stdout).split())[-300:]
            raise EngineError(f"ollama create failed: {last}")
        return f"{SERVED_NAME}:latest"

    def _command(self, port: int) -> tuple[tuple[str, ...], dict[str, str]]:
        """Words and variables of the server: those that `grid recommend` gives people, on a port of
        its own and without what answers a repeated prompt from memory."""
        if self.program == "ollama":
            _require_program("ollama")
            models = self._stack.enter_context(
                tempfile.TemporaryDirectory(prefix="grid-ollama-models-")
            )
            variables = {"OLLAMA_HOST": f"127.0.0.1:{port}", "OLLAMA_MODELS": models}
            return ("ollama", "serve"), variables
        usual = self._usual_command()
        (command,) = usual.commands
        argv = list(command.argv)
        address = ["--host", "127.0.0.1", "--port", str(port)]
        if self.program == "llama-cpp-python":
            argv[0] = sys.executable
            argv[argv.index("--logits_all") + 1] = str(self._scores).lower()
            argv += ["--model_alias", SERVED_NAME]
            argv += ["--interrupt_requests", "false"]  # else a request breaks off the one before it
        elif self.program == "llama-server":
            _require_program("llama-server")
            argv += ["--alias", SERVED_NAME]
        else:
            _require_program("vllm")
            argv += ["--served-model-name", SERVED_NAME, "--no-enable-prefix-caching"]
        return (*argv, *address), dict(command.environment)

    def _usual_command(self) -> ServeCommand:
        artifact = Artifact(
            model=self._inspection.model,
            format="gguf" if self._path.is_file() else "safetensors",
            quant=self._inspection.quant,
            path=str(self._path),
        )
        request = ServeRequest(
            context=self.context,
            platform=self._platform,
            options={
                "threads": self._options["threads"],
                "gpu_layers": self._options["gpu_layers"],
                "batch": self._options["batch"],
                "ubatch": self._options["batch"],
                "mmap": self._options["mmap"],
            },
        )
        serve = serve_folder if self.program == "vllm" else serve_gguf
        names = {"llama-cpp-python": "llama-cpp-python", "llama-server": "llama-server"}
        wanted = names.get(self.program, "vllm")
        return next(way for way in serve(artifact, request) if way.program == wanted)

    def require(self, context: int, scoring: bool = False) -> None:
        limit = self._inspection.model.context_length
        if 0 < limit < context - 1:
            raise Unsupported(f"{context} tokens of context are needed, the model has {limit}")
        scores = self._scores or (scoring and self.program == "llama-cpp-python")
        if context <= self.context and scores == self._scores:
            return
        self.context, self._scores = max(context, self.context), scores
        self._stack.close()
        self._start()

    def peak_bytes(self) -> int:
        peak = self._server.peak_bytes()
        if peak is None:
            raise Unsupported("this system does not tell the memory of another process")
        return peak

    def explain(self, error: EngineError) -> EngineError:
        try:
            self._server.check_alive()
        except EngineError as end:
            return end
        return error

    def close(self) -> None:
        self._stack.close()


_READY: Mapping[str, str] = {
    "llama-cpp-python": "/v1/models",
    "llama-server": "/health",
    "vllm": "/v1/models",
    "ollama": "/api/version",
}
"""A path that answers once the server is ready."""


def _program(path: Path, serve: str) -> Program:
    """The program that serves the artifact. Raises Unsupported for one that does not read it."""
    fitting = ("vllm",) if path.is_dir() else ("llama-cpp-python", "llama-server", "ollama")
    program = fitting[0] if serve == "auto" else serve
    if program not in fitting:
        what = "folders" if path.is_dir() else "GGUF files"
        raise Unsupported(f"serve = {program!r} serves no {what}; {', '.join(fitting)} do")
    return program  # type: ignore[return-value]


def _require_program(name: str) -> None:
    if shutil.which(name) is None:
        raise EngineError(f"no {name} on the PATH; install it, or add its folder to PATH")
