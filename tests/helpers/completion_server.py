"""An OpenAI-compatible server on the loopback that streams set answers, and may misbehave.

    with CompletionServer(ttft_s=0.02, gap_s=0.005) as server:
        server.faults.append("429")       # for the next load's requests, in turn; "" answers
        ... server.url ...

It counts tokens by words. `server.requests` holds the bodies that came, `server.keys` the
Authorization headers. Faults: `429`, `500`, `drop` (mid-stream), `garbage`, `stall` (until the end
of the `with`), `error-event`, `no-usage`, `wrong-usage`, `silent` (an answer without text).
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class CompletionServer:
    """A server of completions; closed at the end of its `with`."""

    def __init__(self, ttft_s: float = 0.0, gap_s: float = 0.0, slots: int = 64) -> None:
        """`slots` answers are computed at once; others wait for one to be free."""
        self.ttft_s, self.gap_s = ttft_s, gap_s
        self.key = ""
        self.refuses_ignore_eos = False
        self.always = ""
        """A fault of every answer."""
        self.faults: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.ending = threading.Event()
        self._slots = threading.Semaphore(slots)
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> CompletionServer:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, format: str, *arguments: object) -> None:
                pass

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = json.loads(self.rfile.read(length))
                server.requests.append(body)
                server.keys.append(self.headers["Authorization"])
                try:
                    server.answer(self, body)
                except OSError:
                    self.close_connection = True

        return Handler

    def answer(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        fault = self.always
        if body.get("stream") and self.faults:
            fault = self.faults.pop(0)
        if self.key and handler.headers["Authorization"] != f"Bearer {self.key}":
            refused = handler.headers["Authorization"]
            _send(handler, 401, {"error": {"message": f"no such key: {refused}"}})
        elif self.refuses_ignore_eos and "ignore_eos" in body:
            _send(handler, 400, {"error": {"message": "ignore_eos: unknown"}})
        elif fault.isdecimal():
            _send(handler, int(fault), {"error": {"message": "later"}})
        elif not body.get("stream"):
            _send(handler, 200, {"choices": [{"text": "x"}], "usage": _usage(body)})
        else:
            with self._slots:
                self._stream(handler, body, fault)

    def _stream(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], fault: str) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        if fault == "stall":
            self.ending.wait()
        self.ending.wait(self.ttft_s)
        tokens = body["max_tokens"]
        for place in range(tokens):
            if place:
                self.ending.wait(self.gap_s)
            if fault == "drop" and place == 1:
                handler.connection.shutdown(2)
                return
            if fault == "error-event":
                _event(handler, {"error": {"message": "out of memory"}})
                break
            if fault == "garbage":
                _chunk(handler, b"data: {not json\n\n")
                break
            text = "" if fault == "silent" else " word"
            finish = "length" if place == tokens - 1 else None
            if "messages" in body:
                choice = {"delta": {"content": text}, "finish_reason": finish}
            else:
                choice = {"text": text, "finish_reason": finish}
            _event(handler, {"choices": [choice]})
        if "stream_options" in body and fault != "no-usage":
            usage = _usage(body)
            if fault == "wrong-usage":
                usage["completion_tokens"] = 10**6
            _event(handler, {"choices": [], "usage": usage})
        _chunk(handler, b"data: [DONE]\n\n")
        _chunk(handler, b"")


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


def _usage(body: dict[str, Any]) -> dict[str, int]:
    prompt = body.get("prompt") or " ".join(m["content"] for m in body["messages"])
    return {"prompt_tokens": len(prompt.split()), "completion_tokens": body["max_tokens"]}


def _send(handler: BaseHTTPRequestHandler, status: int, content: object) -> None:
    data = json.dumps(content).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def _event(handler: BaseHTTPRequestHandler, content: object) -> None:
    _chunk(handler, b"data: " + json.dumps(content).encode() + b"\n\n")


def _chunk(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
    handler.wfile.flush()
