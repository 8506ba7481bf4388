"""A server for scripts/bench_load.py that streams answers at set times, and keeps the true ones.

It answers `/v1/completions` with `max_tokens` pieces of text, the first after `--ttft` seconds, the
others `--gap` seconds apart, each written when it is due. `GET /times` gives for every answer since
the last such question when its request had come and when its first and last piece were written.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from time import perf_counter
from typing import ClassVar

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def event(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "text": text, "finish_reason": finish}
    return (
        b"data: "
        + json.dumps({"id": "1", "object": "text_completion", "choices": [choice]}).encode()
        + b"\n\n"
    )


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


class Stub(asyncio.Protocol):
    """One connection."""

    times: ClassVar[list[tuple[float, float, float]]] = []
    ttft_s = gap_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        now = perf_counter()
        self.buffer += data
        head, blank, body = self.buffer.partition(b"\r\n\r\n")
        if not blank:
            return
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if len(body) < int(fields.get(b"content-length", 0)):
            return
        self.buffer = b""
        if head.startswith(b"GET"):
            self.answer_get(head)
        else:
            asyncio.get_running_loop().create_task(self.stream(now, json.loads(body)))

    def answer_get(self, head: bytes) -> None:
        if b"/times" in head:
            content = json.dumps(Stub.times).encode()
            Stub.times = []
        else:
            content = json.dumps(
                {"object": "list", "data": [{"id": "stub", "object": "model"}]}
            ).encode()
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(content) + content
        )

    async def stream(self, came: float, request: dict) -> None:
        tokens = request.get("max_tokens") or 16
        usage = {"prompt_tokens": 16, "completion_tokens": tokens, "total_tokens": 16 + tokens}
        if not request.get("stream"):
            content = json.dumps(
                {
                    "id": "1",
                    "object": "text_completion",
                    "model": "stub",
                    "choices": [{"index": 0, "text": " tok" * tokens, "finish_reason": "length"}],
                    "usage": usage,
                }
            ).encode()
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                % len(content)
                + content
            )
            return
        first = 0.0
        for place in range(tokens):
            due = came + self.ttft_s + place * self.gap_s
            await asyncio.sleep(max(0.0, due - perf_counter()))
            piece = chunk(event(" tok", "length" if place == tokens - 1 else None))
            now = perf_counter()
            self.transport.write(piece if place else HEAD + piece)
            first = first or now
        Stub.times.append((came, first, now))
        last = b"data: " + json.dumps({"id": "1", "choices": [], "usage": usage}).encode() + b"\n\n"
        self.transport.write(chunk(last + b"data: [DONE]\n\n") + b"0\r\n\r\n")


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ttft", type=float, default=0.03)
    parser.add_argument("--gap", type=float, default=0.01)
    options = parser.parse_args()
    Stub.ttft_s, Stub.gap_s = options.ttft, options.gap
    server = await asyncio.get_running_loop().create_server(
        Stub, "127.0.0.1", options.port, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
