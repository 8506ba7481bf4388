"""Servers on loopback that speak a protocol as it is documented, or misbehave as they are told.

    with serving(ollama()) as server:
        server.url

Each answers a prompt with `ANSWER`, a token an event. `server.bodies` holds the JSON that came by
path, `server.keys` the Authorization headers. Every wait in them is bounded.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER = (" Paris", ".", " It", " is", " old", ".", " So", " is", " Rome", ".")
DIGEST = "a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72"
LONGEST_STALL_S = 20.0

Answer = Callable[["Request"], None]
Attach = Callable[..., AbstractContextManager[Any]]
"""Loads the engine of a stand-in."""


class Request(BaseHTTPRequestHandler):
    """One request; `body` is its JSON."""

    protocol_version = "HTTP/1.1"
    server: StandIn
    body: dict[str, Any]

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, body: dict[str, Any]) -> None:
        self.body = body
        self.server.bodies.append((self.path, body))
        self.server.keys.append(self.headers.get("Authorization"))
        answer = self.server.answers.get(self.path)
        if answer is None:
            self.json({"error": "not found"}, 404)
        else:
            answer(self)

    def json(self, content: object, status: int = 200, **headers: str) -> None:
        self.raw(json.dumps(content).encode(), status, **headers)

    def raw(self, content: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def begin_stream(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, line: bytes) -> None:
        self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        self.wfile.flush()


class StandIn(ThreadingHTTPServer):
    """A server of answers by path."""

    daemon_threads = True

    def __init__(self, answers: dict[str, Answer]) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.answers = answers
        self.bodies: list[tuple[str, dict[str, Any]]] = []
        self.keys: list[str | None] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def last(self, path: str) -> dict[str, Any]:
        """The body of the last request at a path."""
        return [body for place, body in self.bodies if place == path][-1]


@contextmanager
def serving(answers: dict[str, Answer]) -> Iterator[StandIn]:
    with StandIn(answers) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join(10)


def ollama(**changed: Answer) -> dict[str, Answer]:
    """Ollama with `llama3.2:latest`, as docs/api.md of Ollama has it; without a `context` in raw
    mode. Answers changed by name: `tags`, `show`, `generate`."""
    details = {
        "parent_model": "",
        "format": "gguf",
        "family": "llama",
        "families": ["llama"],
        "parameter_size": "3.2B",
        "quantization_level": "Q4_K_M",
    }
    entry = {
        "name": "llama3.2:latest",
        "model": "llama3.2:latest",
        "modified_at": "2025-05-04T17:37:44.706015396-07:00",
        "size": 2019393189,
        "digest": DIGEST,
        "details": details,
    }
    shown = {
        "modelfile": "# Modelfile\nFROM /nowhere/blobs/sha256-dde5\nPARAMETER stop x\n",
        "template": "{{ .Prompt }}",
        "details": details,
        "model_info": {
            "general.architecture": "llama",
            "general.parameter_count": 3212749888,
            "llama.context_length": 131072,
        },
        "capabilities": ["completion"],
    }
    return {
        "/api/version": lambda request: request.json({"version": "0.12.6"}),
        "/api/tags": changed.get("tags", lambda request: request.json({"models": [entry]})),
        "/api/show": changed.get("show", lambda request: request.json(shown)),
        "/api/generate": changed.get("generate", ollama_generate),
    }


def ollama_generate(request: Request) -> None:
    request.begin_stream("application/x-ndjson")
    model, count = request.body["model"], request.body["options"]["num_predict"]
    for text in ANSWER[:count]:
        event = {
            "model": model,
            "created_at": "2025-01-01T00:00:00Z",
            "response": text,
            "done": False,
        }
        request.chunk(json.dumps(event).encode() + b"\n")
    end = {
        "model": model,
        "created_at": "2025-01-01T00:00:01Z",
        "response": "",
        "done": True,
        "done_reason": "length" if count < len(ANSWER) else "stop",
        "total_duration": 5_043_500_667,
        "load_duration": 5_025_959,
        "prompt_eval_count": 26,
        "prompt_eval_duration": 325_953_000,
        "eval_count": min(count, len(ANSWER)),
        "eval_duration": 500_000_000,
    }
    request.chunk(json.dumps(end).encode() + b"\n")
    request.chunk(b"")


def tgi(**changed: Answer) -> dict[str, Answer]:
    """TGI with a model of its own documentation; answers changed by name: `info`, `generate`."""
    info = {
        "model_id": "bigscience/bloom-560m",
        "model_sha": "e985a63cdc139290c5f700ff1929f0b5942cced2",
        "model_dtype": "torch.float16",
        "model_device_type": "cuda",
        "model_pipeline_tag": "text-generation",
        "max_concurrent_requests": 128,
        "max_input_tokens": 1024,
        "max_total_tokens": 2048,
        "version": "3.3.6",
        "sha": None,
        "docker_label": None,
        "router": "text-generation-router",
    }
    return {
        "/info": changed.get("info", lambda request: request.json(info)),
        "/generate_stream": changed.get("generate", tgi_generate),
    }


def tgi_generate(request: Request) -> None:
    request.begin_stream("text/event-stream")
    count = min(request.body["parameters"]["max_new_tokens"], len(ANSWER))
    for index, text in enumerate(ANSWER[:count], start=1):
        last = index == count
        reason = "length" if count < len(ANSWER) else "eos_token"
        event = {
            "index": index,
            "token": {"id": 300 + index, "text": text, "logprob": -0.5, "special": False},
            "generated_text": "".join(ANSWER[:count]) if last else None,
            "details": {
                "finish_reason": reason,
                "generated_tokens": count,
                "input_length": 9,
                "seed": None,
            }
            if last
            else None,
        }
        request.chunk(b"data:" + json.dumps(event).encode() + b"\n\n")
    request.chunk(b"")


def openai(**changed: Answer) -> dict[str, Answer]:
    """A server of OpenAI's API that says nothing beyond it; answers changed by name: `models`,
    `completions`."""
    models = {"object": "list", "data": [{"id": "mine", "object": "model", "owned_by": "somebody"}]}
    return {
        "/v1/models": changed.get("models", lambda request: request.json(models)),
        "/v1/completions": changed.get("completions", completions),
    }


def completions(request: Request, model: str = "mine", claimed: int | None = None) -> None:
    request.begin_stream("text/event-stream")
    count = min(request.body["max_tokens"], len(ANSWER))
    for number, text in enumerate(ANSWER[:count], start=1):
        reason = "length" if number == count else None
        choice = {"index": 0, "text": text, "finish_reason": reason}
        event(request, {"object": "text_completion", "model": model, "choices": [choice]})
    usage = {"prompt_tokens": 9, "completion_tokens": count if claimed is None else claimed}
    event(request, {"model": model, "choices": [], "usage": usage})
    request.chunk(b"data: [DONE]\n\n")
    request.chunk(b"")


def event(request: Request, content: object) -> None:
    request.chunk(b"data: " + json.dumps(content).encode() + b"\n\n")
