"""Plans of servers: what one says of itself is the artifact, and its speed is its own machine's."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from plan_helpers import NODE

from grid.backend.registry import backend
from grid.errors import InputError
from grid.plan import expand
from grid.plan.fits import server_obstacle
from grid.plan.load import parse_sweep
from grid.plan.plan import Plan

MODELS = {"data": [{"id": "mine", "owned_by": "somebody"}]}


class Models(BaseHTTPRequestHandler):
    """A server of OpenAI's API that lists one model."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""

    def do_GET(self) -> None:
        content = json.dumps(MODELS if self.path == "/v1/models" else {"error": "none"}).encode()
        self.send_response(200 if self.path == "/v1/models" else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path / "cache"))
    with ThreadingHTTPServer(("127.0.0.1", 0), Models) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join(10)


def plan_of(tmp_path: Path, models: str, backends: str = '["openai"]') -> Plan:
    text = (
        f'backends = {backends}\nmeasures = ["speed", "latency", "quality"]\n[[models]]\n{models}\n'
    )
    sweep = parse_sweep(text.encode(), "server.toml", tmp_path)
    return expand(sweep, {name: backend(name) for name in sweep.backends}, NODE)


def test_a_server_is_a_variant_of_rates_and_latency(url: str, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, f'endpoint = {{ url = "{url}/v1", quant = "Q8_0" }}')
    assert {cell.workload.label.split()[0] for cell in plan.cells} == {"pp512", "tg128", "latency"}
    (artifact,) = {cell.artifact.id: cell.artifact for cell in plan.cells}.values()
    assert (artifact.model.name, artifact.quant, artifact.format) == ("mine", "Q8_0", "endpoint")
    reasons = {skip.reason for skip in plan.skipped}
    assert reasons == {"openai does not declare logits, which quality takes"}


def test_a_quant_that_nobody_says_is_unknown(url: str, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, f'endpoint = "{url}"')
    assert {cell.artifact.quant for cell in plan.cells} == {"unknown"}


def test_the_speed_of_another_machine_is_not_this_ones(url: str, tmp_path: Path) -> None:
    import msgspec

    cell = plan_of(tmp_path, f'endpoint = "{url}"').cells[0]
    model = msgspec.structs.replace(cell.artifact.model, source="http://rack-7:8000")
    elsewhere = msgspec.structs.replace(
        cell, artifact=msgspec.structs.replace(cell.artifact, model=model)
    )
    assert server_obstacle(cell) == ""
    assert "run the sweep there" in server_obstacle(elsewhere)


@pytest.mark.parametrize(
    ("models", "backends", "message"),
    [
        ('endpoint = "{url}"\nfiles = ["a.gguf"]', '["openai"]', "or the endpoint of a server"),
        ('endpoint = "{url}"\nquants = ["Q8_0"]', '["openai"]', "quants: what an endpoint serves"),
        ('endpoint = {{ url = "{url}", modle = "a" }}', '["openai"]', "Did you mean 'model'"),
        ('endpoint = "{url}"', '["llamacpp"]', r'write backends = \["openai"\]'),
        ('endpoint = "http://127.0.0.1:1"', '["openai"]', r"models\[0\]: endpoint .* out of reach"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    models: str, backends: str, message: str, url: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        plan_of(tmp_path, models.format(url=url), backends)
