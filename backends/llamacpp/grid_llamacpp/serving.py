"""Commands that serve a GGUF file: llama.cpp's own server, its Python bindings', Ollama's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grid.backend import Artifact, ServeCommand, ServeRequest, ShellCommand, Unsupported
from grid.models.split_files import parse_split_name
from grid_llamacpp.options import KV_TYPES, QUANTIZED_KV

ALL_LAYERS = 999
"""More layers than models have: `all` is a word that older servers do not know."""

OLLAMA_KV = ("f16", "q8_0", "q4_0")
"""Types of cache that Ollama takes."""

_BATCHES = {"batch": 2048, "ubatch": 512}
"""llama-server's own, which need not be written."""


def serve_command(artifact: Artifact, request: ServeRequest) -> Sequence[ServeCommand]:
    """See `grid.backend.Serves`. Programs that cannot be set as requested are left out."""
    if request.kv_type not in KV_TYPES:
        raise Unsupported(
            f"llama.cpp keeps no cache of {request.kv_type}; it takes {', '.join(KV_TYPES)}"
        )
    commands = [_llama_server(artifact, request)]
    if request.sessions == 1 and not _needs_llama_server(request):
        commands.append(_python_server(artifact, request))
    if _ollama_can(artifact, request):
        commands.append(_ollama(artifact, request))
    return commands


def _llama_server(artifact: Artifact, request: ServeRequest) -> ServeCommand:
    """Its slots share the context evenly, so that it is that of a session times the sessions."""
    flash = _flash_attention(request)
    options = {
        "-m": artifact.path,
        "-c": request.context * request.sessions,
        "-np": request.sessions,
        "-ngl": _gpu_layers(request, ALL_LAYERS),
        "--n-cpu-moe": _cpu_expert_layers(request) or None,
        "-ot": _measured(request, "tensor_overrides") or None,
        **_cards(request),
        "-fa": None if flash == "auto" else flash,
        **({} if request.kv_type == "f16" else {"-ctk": request.kv_type, "-ctv": request.kv_type}),
        "-t": _threads(request, "threads"),
        "-tb": _threads(request, "threads_batch"),
        **{f"--{name}-size": _unusual_batch(request, name) for name in _BATCHES},
        "--load-mode": "none" if request.options.get("mmap") is False else None,
    }
    argv = ("llama-server", *_arguments(options), "--jinja")
    return ServeCommand(
        program="llama-server",
        commands=(ShellCommand(argv=argv),),
        url="http://127.0.0.1:8080/v1",
    )


def _python_server(artifact: Artifact, request: ServeRequest) -> ServeCommand:
    """Its defaults keep the logits of a whole context and lock the weights in memory: neither is in
    the advised memory."""
    quantized = request.kv_type != "f16"
    options = {
        "--model": artifact.path,
        "--n_ctx": request.context,
        "--n_gpu_layers": _gpu_layers(request, -1),
        "--flash_attn": str(_flash_attention(request) != "off").lower(),
        "--type_k": KV_TYPES[request.kv_type] if quantized else None,
        "--type_v": KV_TYPES[request.kv_type] if quantized else None,
        "--n_threads": (threads := _threads(request, "threads")),
        "--n_threads_batch": _threads(request, "threads_batch") or threads,
        "--n_batch": request.options.get("batch"),
        "--n_ubatch": request.options.get("ubatch"),
        "--logits_all": "false",
        "--use_mmap": "false" if request.options.get("mmap") is False else None,
        "--use_mlock": "false",
    }
    return ServeCommand(
        program="llama-cpp-python",
        commands=(ShellCommand(argv=("python", "-m", "llama_cpp.server", *_arguments(options))),),
        url="http://127.0.0.1:8000/v1",
        notes=("needs the package llama-cpp-python[server]",),
    )


def _ollama_can(artifact: Artifact, request: ServeRequest) -> bool:
    """It places whole layers only, and imports files of one part."""
    parts = parse_split_name(Path(artifact.path or "").name)
    return request.kv_type in OLLAMA_KV and not _needs_llama_server(request) and parts is None


def _ollama(artifact: Artifact, request: ServeRequest) -> ServeCommand:
    """Ollama's context depends on the machine where a Modelfile does not say it; the type of cache
    and the number of sessions are settings of its server alone."""
    name = re.sub(r"[^a-z0-9._]+", "-", artifact.label.lower()).strip("-._") or "model"
    parameters = {
        "num_ctx": request.context,
        "num_gpu": _gpu_layers(request, ALL_LAYERS),
        "num_thread": _threads(request, "threads"),
    }
    lines = [f"FROM {artifact.path}"]
    lines += [f"PARAMETER {key} {value}" for key, value in parameters.items() if value is not None]
    settings = {}
    if request.kv_type != "f16":
        settings = {"OLLAMA_FLASH_ATTENTION": "1", "OLLAMA_KV_CACHE_TYPE": request.kv_type}
    if request.sessions > 1:
        settings["OLLAMA_NUM_PARALLEL"] = str(request.sessions)
    server = ShellCommand(argv=("ollama", "serve"), environment=settings, background=True)
    file = f"{name}.Modelfile"
    return ServeCommand(
        program="ollama",
        files={file: "\n".join(lines) + "\n"},
        commands=(
            *([server, ShellCommand(argv=("sleep", "3"))] if settings else []),
            ShellCommand(argv=("ollama", "create", name, "-f", file)),
            ShellCommand(argv=("ollama", "run", name)),
        ),
        url="http://127.0.0.1:11434/v1",
        notes=("an Ollama that runs already must be ended first: the settings are its server's",)
        if settings
        else (),
    )


def _gpu_layers(request: ServeRequest, every: int) -> int:
    """Layers on the accelerator; `every` is how a program says all of them."""
    layers = request.gpu_layers
    if layers is None:
        layers = _measured(request, "gpu_layers")
    if request.on_cpu:
        return 0
    return every if layers is None or layers < 0 else int(layers)


def _cpu_expert_layers(request: ServeRequest) -> int:
    """Layers whose experts stay in main memory while the rest lies on an accelerator."""
    if request.on_cpu:
        return 0
    return request.cpu_expert_layers or int(_measured(request, "cpu_expert_layers") or 0)


def _cards(request: ServeRequest) -> dict[str, Any]:
    """How cards share the model, as measured; nothing where no layer lies on one."""
    if request.on_cpu:
        return {}
    return {
        "-sm": _measured(request, "split_mode"),
        "-ts": _measured(request, "tensor_split"),
        "-mg": _measured(request, "main_gpu"),
    }


def _needs_llama_server(request: ServeRequest) -> bool:
    """Whether the weights are placed as llama-server alone is told."""
    return _moves_tensors(request) or any(_cards(request).values())


def _moves_tensors(request: ServeRequest) -> bool:
    """Whether parts of layers lie elsewhere than the rest."""
    overrides = _measured(request, "tensor_overrides")
    return bool(_cpu_expert_layers(request) or overrides) and not request.on_cpu


def _measured(request: ServeRequest, option: str) -> Any:
    """An option of placement as it was measured; None where that was on other hardware."""
    return request.options.get(option) if request.same_hardware else None


def _threads(request: ServeRequest, option: str) -> int | None:
    """As measured; None leaves it to the program: on other hardware, for a batch that takes the
    threads of the rest, and where no layer is computed on the CPU."""
    threads: int | None = request.options.get(option)
    all_on_card = not request.on_cpu and not _moves_tensors(request)
    all_on_card &= _gpu_layers(request, ALL_LAYERS) == ALL_LAYERS
    if not request.same_hardware or all_on_card:
        return None
    return None if option != "threads" and threads == request.options.get("threads") else threads


def _flash_attention(request: ServeRequest) -> str:
    """on, off or auto; a quantized cache needs it."""
    if request.kv_type in QUANTIZED_KV:
        return "on"
    return str(request.options.get("flash_attention", "auto"))


def _unusual_batch(request: ServeRequest, name: str) -> int | None:
    size: int | None = request.options.get(name)
    return None if size == _BATCHES[name] else size


def _arguments(options: Mapping[str, Any]) -> list[str]:
    """Options that have a value, with it."""
    written = {name: value for name, value in options.items() if value is not None}
    return [word for name, value in written.items() for word in (name, str(value))]
