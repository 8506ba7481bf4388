"""What a server that runs already says of itself: which program, which model, which weights."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from grid.backend import EndpointSettings, EngineError, InputError, did_you_mean, inspect_gguf
from grid.backend.endpoint import is_loopback
from grid.models.chat import read_chat_template
from grid_openai.client import Client, check_key_variable, check_url
from grid_openai.description import UNKNOWN_QUANT, Description, Program

TIMEOUT_S = 20.0
"""For each question; none computes anything."""

_COUNT = re.compile(r"([\d.]+)\s*([KMBT]?)")
_UNITS = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


class Identified(NamedTuple):
    """The program that answers, its version, and what told it."""

    program: Program
    version: str = ""
    facts: dict[str, Any] = {}  # noqa: RUF012  (never changed)


def describe_endpoint(settings: EndpointSettings) -> bytes:
    """See `grid.backend.DescribesEndpoints`."""
    url = check_url(settings.url)
    check_key_variable(settings.key_variable)
    try:
        return describe(url, settings).encode()
    except EngineError as error:
        raise InputError(f"endpoint {error}") from error


def describe(url: str, settings: EndpointSettings, timeout_s: float = TIMEOUT_S) -> Description:
    """Raises EngineError where the server does not answer, InputError where it is not as the
    settings say."""
    client = Client(url, settings.key_variable, timeout_s)
    identified = _identify(client, settings.flavour)
    served = _TELLERS[identified.program](client, settings, identified)
    served = msgspec.structs.replace(
        served, version=identified.version, key_variable=settings.key_variable
    )
    return _completed(_with_file(served), settings)


def _identify(client: Client, flavour: str) -> Identified:
    if flavour in ("", "ollama"):
        answer = client.find("/api/version")
        if isinstance(answer, dict) and "version" in answer:
            return Identified("ollama", str(answer["version"]))
        _refuse_flavour(client, flavour, "Ollama's /api/version")
    if flavour in ("", "tgi"):
        answer = client.find("/info")
        if isinstance(answer, dict) and "model_id" in answer:
            return Identified("tgi", str(answer.get("version", "")), answer)
        _refuse_flavour(client, flavour, "TGI's /info")
    return _identify_openai(client)


def _refuse_flavour(client: Client, flavour: str, path: str) -> None:
    if flavour:
        raise InputError(f"endpoint {client.url}: it has no {path}; leave flavour out, or mend it")


def _identify_openai(client: Client) -> Identified:
    answer = client.find("/props")
    if isinstance(answer, dict) and "default_generation_settings" in answer:
        return Identified("llama-server", str(answer.get("build_info", "")), answer)
    models = client.find("/v1/models")
    entries = models.get("data") if isinstance(models, dict) else None
    if not isinstance(entries, list):
        raise InputError(
            f"endpoint {client.url}: it speaks neither OpenAI's API (/v1/models) nor Ollama's nor "
            "TGI's; is it the right address?"
        )
    owners = {str(entry.get("owned_by")) for entry in entries if isinstance(entry, dict)}
    if "vllm" in owners:
        version = client.find("/version")
        number = version.get("version", "") if isinstance(version, dict) else ""
        return Identified("vllm", str(number), models)
    page = client.find("/openapi.json") if owners == {"me"} else None
    about = page.get("info", {}) if isinstance(page, dict) else {}
    if "llama.cpp Python API" in str(about.get("title", "")):
        return Identified("llama-cpp-python", str(about.get("version", "")), models)
    return Identified("openai", "", models)


def _chosen(client: Client, settings: EndpointSettings, names: list[str]) -> str:
    """The name that requests give: the user's, else that of the only model."""
    if settings.model:
        if settings.model in names:
            return settings.model
        hint = did_you_mean(settings.model, names)
        raise InputError(
            f"endpoint {client.url}: it has no model {settings.model!r}. {hint}".rstrip()
        )
    if len(names) != 1:
        some = ", ".join(names[:5]) or "none"
        raise InputError(
            f"endpoint {client.url}: it serves {len(names)} models ({some}); name one with model ="
        )
    return names[0]


def _of_openai(client: Client, settings: EndpointSettings, identified: Identified) -> Description:
    entries = [entry for entry in identified.facts["data"] if isinstance(entry, dict)]
    by_name = {str(entry.get("id")): entry for entry in entries}
    model = _chosen(client, settings, list(by_name))
    context = by_name[model].get("max_model_len")
    return Description(
        url=client.url,
        model=model,
        program=identified.program,
        name=_short(model),
        context=context if isinstance(context, int) else 0,
        tokenizer=model if identified.program in ("llama-cpp-python", "vllm") else "",
    )


def _of_llama_server(
    client: Client, settings: EndpointSettings, identified: Identified
) -> Description:
    models = client.find("/v1/models")
    entries = models.get("data") if isinstance(models, dict) else None
    first = entries[0] if isinstance(entries, list) and entries else {}
    meta = first.get("meta") or {}
    path = str(identified.facts.get("model_path") or "")
    context = identified.facts["default_generation_settings"].get("n_ctx")
    size, parameters = _number(meta.get("size")), _number(meta.get("n_params"))
    return Description(
        url=client.url,
        model=settings.model or str(first.get("id") or path),
        program="llama-server",
        name=_short(path or str(first.get("id", ""))),
        context=_number(context) or _number(meta.get("n_ctx_train")),
        parameters=parameters,
        weight_bytes=size,
        bits=8 * size / parameters if parameters else 0.0,
        vocabulary=_number(meta.get("n_vocab")),
        tokenizer=path,
    )


def _of_ollama(client: Client, settings: EndpointSettings, identified: Identified) -> Description:
    tags = client.get("/api/tags")
    entries = tags.get("models") if isinstance(tags, dict) else None
    if not isinstance(entries, list):
        raise client.error("/api/tags lists no models")
    by_name = {str(entry.get("name")): entry for entry in entries if isinstance(entry, dict)}
    wanted = settings.model
    if wanted and wanted not in by_name and f"{wanted}:latest" in by_name:
        wanted = f"{wanted}:latest"
    if wanted and wanted not in by_name:
        hint = did_you_mean(wanted, by_name)
        raise InputError(
            f"endpoint {client.url}: Ollama has no {wanted!r}; `ollama pull {wanted}` gets it. "
            f"{hint}".rstrip()
        )
    model = _chosen(client, msgspec.structs.replace(settings, model=wanted), list(by_name))
    entry, shown = by_name[model], client.post("/api/show", {"model": model})
    details = shown.get("details") or entry.get("details") or {}
    facts = shown.get("model_info") or {}
    architecture = str(facts.get("general.architecture", ""))
    size = _number(entry.get("size"))
    parameters = _number(facts.get("general.parameter_count")) or _count(
        details.get("parameter_size")
    )
    return Description(
        url=client.url,
        model=model,
        program="ollama",
        name=model.removesuffix(":latest").replace(":", "-").replace("/", "-"),
        digest=str(entry.get("digest", "")),
        quant=str(details.get("quantization_level") or UNKNOWN_QUANT),
        family=str(details.get("family", "")),
        architecture=architecture,
        context=_number(facts.get(f"{architecture}.context_length")),
        parameters=parameters,
        weight_bytes=size,
        bits=8 * size / parameters if parameters else 0.0,
        tokenizer=_from_line(str(shown.get("modelfile", ""))),
    )


def _from_line(modelfile: str) -> str:
    """The file of the weights, which a Modelfile names in its FROM."""
    lines = (line.strip() for line in modelfile.splitlines())
    paths = (line[5:].strip() for line in lines if line.upper().startswith("FROM "))
    return next((path for path in paths if path.startswith("/")), "")


def _of_tgi(client: Client, settings: EndpointSettings, identified: Identified) -> Description:
    facts = identified.facts
    model = str(facts["model_id"])
    if settings.model and settings.model != model:
        raise InputError(f"endpoint {client.url}: it serves {model}, not {settings.model}")
    context = facts.get("max_total_tokens") or facts.get("max_input_tokens")
    return Description(
        url=client.url,
        model=model,
        program="tgi",
        name=_short(model),
        digest=str(facts.get("model_sha") or ""),
        context=_number(context),
        tokenizer=model,
    )


_TELLERS: dict[str, Callable[[Client, EndpointSettings, Identified], Description]] = {
    "openai": _of_openai,
    "llama-cpp-python": _of_openai,
    "vllm": _of_openai,
    "llama-server": _of_llama_server,
    "ollama": _of_ollama,
    "tgi": _of_tgi,
}


def _with_file(served: Description) -> Description:
    """With the facts of the served file or folder where that is on this machine."""
    path = Path(served.tokenizer) if served.tokenizer.startswith("/") else None
    if path is None or not is_loopback(served.url) or not path.exists():
        return msgspec.structs.replace(served, tokenizer="")
    served = msgspec.structs.replace(served, tokenizer=str(path))
    if path.is_dir() or not _is_gguf(path):
        return served
    try:
        inspection = inspect_gguf(path)
    except InputError:
        return msgspec.structs.replace(served, tokenizer="")
    return msgspec.structs.replace(
        served,
        name=served.name if served.program == "ollama" else inspection.model.name,
        digest=served.digest or inspection.facts.sha256,
        quant=inspection.quant,
        family=inspection.model.family,
        architecture=inspection.model.architecture,
        context=served.context or inspection.model.context_length,
        parameters=inspection.model.parameters,
        weight_bytes=inspection.facts.bytes,
        bits=inspection.facts.bpw_layer,
        vocabulary=inspection.model.vocabulary,
    )


def _is_gguf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"GGUF"


def _completed(served: Description, settings: EndpointSettings) -> Description:
    """With what the user says. Raises InputError where that contradicts the server."""
    for name in ("quant", "digest"):
        users, servers = str(getattr(settings, name)), str(getattr(served, name))
        if users and servers not in ("", UNKNOWN_QUANT) and users.lower() != servers.lower():
            raise InputError(
                f"endpoint {served.url}: {name} = {users!r}, the server says {servers!r}; leave it "
                "out"
            )
    served = msgspec.structs.replace(
        served,
        quant=settings.quant or served.quant,
        digest=settings.digest or served.digest,
        context=settings.context or served.context,
        tokenizer=settings.tokenizer or served.tokenizer,
    )
    if served.tokenizer:
        template = read_chat_template(Path(served.tokenizer))
        served = msgspec.structs.replace(served, chat=template is not None)
    return served


def _short(name: str) -> str:
    """A path or a hub's name without its folders and its ending."""
    return Path(name).name.removesuffix(".gguf") or name


def _count(text: object) -> int:
    """`8.0B` as a number; 0 for what is none."""
    match = _COUNT.fullmatch(text.strip()) if isinstance(text, str) else None
    return round(float(match[1]) * _UNITS[match[2]]) if match else 0


def _number(value: object) -> int:
    return value if type(value) is int and value > 0 else 0
