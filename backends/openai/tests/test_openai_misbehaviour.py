"""Servers that are down, slow, locked, busy, broken, or not what they say: a clear line each."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from grid_openai import backend
from grid_openai.client import Client
from openai_stand_ins import (
    LONGEST_STALL_S,
    Answer,
    Attach,
    Request,
    completions,
    event,
    ollama,
    openai,
    serving,
)

from grid.backend import EndpointSettings, EngineError, InputError

SECRET = "sk-very-secret"


def first(request: Request) -> None:
    request.begin_stream("text/event-stream")
    choice = {"index": 0, "text": " Paris", "finish_reason": None}
    event(request, {"model": "mine", "choices": [choice]})


def drops(request: Request) -> None:
    first(request)
    request.wfile.write(b"40\r\ndata: {")
    request.close_connection = True


def ends_early(request: Request) -> None:
    first(request)
    request.chunk(b"")


def stalls(request: Request) -> None:
    first(request)
    request.server.released.wait(LONGEST_STALL_S)


def breaks_off(request: Request) -> None:
    first(request)
    event(request, {"error": {"message": "the runner has crashed", "type": "server_error"}})


FAULTS: dict[str, tuple[Answer, str]] = {
    "drops": (drops, "connection broke off|no JSON"),
    "ends early": (ends_early, "the stream ended before the answer was complete"),
    "stalls": (stalls, "stopped in the middle of an answer, nothing for 1 s"),
    "breaks off": (breaks_off, "it broke the answer off: the runner has crashed"),
    "garbage": (lambda r: r.raw(b"data: <html>\n\n"), "an answer that is no JSON"),
    "list": (lambda r: r.raw(b"data: [1]\n\n"), "an event that is no object"),
    "500": (lambda r: r.json({"error": {"message": "boom"}}, 500), "HTTP 500 boom"),
    "429": (lambda r: r.json({}, 429, Retry_After="3600"), "it asks to wait 3600 s"),
    "redirect": (lambda r: r.raw(b"", 302, Location="http://a.b/"), "redirects elsewhere"),
    "liar": (partial(completions, model="another"), "asked for mine, it answers as another"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_answer_is_an_error_of_one_line(fault: str, attach: Attach) -> None:
    answer, message = FAULTS[fault]
    with (
        serving(openai(completions=answer)) as server,
        attach(server, {"answer_limit": 1}) as engine,
    ):
        with pytest.raises(EngineError, match=message) as caught:
            list(engine.generate([engine.encode("a")], 4, False, 0))
        assert server.url in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_server_that_is_down_is_refused_before_anything_runs() -> None:
    with serving(openai()) as server:
        url = server.url
    with pytest.raises(InputError, match=r"out of reach .*; is the server running"):
        backend.describe_endpoint(EndpointSettings(url=url))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (EndpointSettings(url="127.0.0.1:8080"), "expected an address"),
        (EndpointSettings(url="http://me:pass@host"), "no user, password or key in the address"),
        (EndpointSettings(url="http://host/v1?key=abc"), "no user, password or key"),
        (EndpointSettings(url="http://host", key_variable="sk-1-2"), "not a key"),
    ],
)
def test_addresses_that_cannot_be_right(settings: EndpointSettings, message: str) -> None:
    with pytest.raises(InputError, match=message):
        backend.describe_endpoint(settings)


def locked(request: Request) -> None:
    key = request.headers.get("Authorization")
    if key == f"Bearer {SECRET}":
        request.json({"data": [{"id": "mine"}]})
    else:
        request.json({"error": {"message": f"wrong key {key}"}}, 401)


def test_a_key_is_sent_from_its_variable_and_written_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SERVER_KEY", SECRET)
    with serving(openai(models=locked)) as server:
        with pytest.raises(InputError, match=r"it wants a key .* name its key_variable"):
            backend.describe_endpoint(EndpointSettings(url=server.url))
        content = backend.describe_endpoint(
            EndpointSettings(url=server.url, key_variable="SERVER_KEY")
        )
        monkeypatch.setenv("SERVER_KEY", "sk-other")
        with pytest.raises(InputError, match="check SERVER_KEY") as caught:
            backend.describe_endpoint(EndpointSettings(url=server.url, key_variable="SERVER_KEY"))
        monkeypatch.delenv("SERVER_KEY")
        with pytest.raises(InputError, match="SERVER_KEY, its key, is not set here"):
            backend.describe_endpoint(EndpointSettings(url=server.url, key_variable="SERVER_KEY"))
    assert SECRET.encode() not in content
    assert json.loads(content)["key_variable"] == "SERVER_KEY"
    assert "sk-other" not in str(caught.value)


def test_a_key_that_the_server_repeats_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_KEY", SECRET)

    def repeats(request: Request) -> None:
        request.json({"error": request.headers["Authorization"]}, 500)

    with (
        serving({"/v1/models": repeats}) as server,
        pytest.raises(EngineError, match="HTTP 500 Bearer <key>"),
    ):
        Client(server.url, "SERVER_KEY").get("/v1/models")


def test_other_weights_than_planned_are_not_measured(tmp_path: Path, attach: Attach) -> None:
    with serving(ollama()) as server:
        loading = attach(server)
        swapped = {"name": "llama3.2:latest", "size": 2019393189, "digest": "f" * 64}
        server.answers["/api/tags"] = lambda request: request.json({"models": [swapped]})
        with pytest.raises(EngineError, match="it serves other weights than planned"), loading:
            pass
