"""A judge on the loopback: it grades by a rule, so that every score is known.

    with JudgeServer() as judge:
        judge.replies.append("no grade")    # the next reply, in place of the rule's
        judge.statuses.append(503)          # the next request fails

The rule: as many words as the quoted answer that is graded has, from 1 to 10; none where it has the
word `hush`. `judge.requests` holds the bodies that came, `judge.keys` their Authorization headers.
"""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from grid.plan.sweep import JudgeTable

_ANSWER = re.compile(
    r"<<< ASSISTANT, TURN (\d+) >>>\n(.*?)\n<<< END OF ASSISTANT, TURN \1 >>>", re.S
)


def grade(prompt: str) -> str:
    """The grade of the last answer that a prompt quotes."""
    words = _ANSWER.findall(prompt)[-1][1].split()
    return "none" if "hush" in words else str(min(max(len(words), 1), 10))


class JudgeServer:
    """A server of chat completions; closed at the end of its `with`."""

    def __init__(self, key: str = "") -> None:
        self.key = key
        self.replies: list[str | bytes] = []
        self.statuses: list[int] = []
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.answering = threading.Event()
        self.answering.set()
        self.location = ""
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def table(self, key_variable: str = "") -> JudgeTable:
        return JudgeTable(url=self.url, model="rule", key_variable=key_variable)

    @property
    def prompts(self) -> list[str]:
        """The user's first message of each request, the check's aside."""
        texts = [request["messages"][-1]["content"] for request in self.requests]
        return [text for text in texts if "<<< ASSISTANT" in text]

    def __enter__(self) -> JudgeServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.answering.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def answer(self, body: dict[str, Any], key: str | None) -> tuple[int, bytes]:
        """Status and content of the reply to a request."""
        with self._lock:
            self.requests.append(body)
            self.keys.append(key)
            if self.key and key != f"Bearer {self.key}":
                return 401, f"Incorrect API key {key}".encode()
            if self.statuses:
                return self.statuses.pop(0), b"not just now"
            scripted = self.replies.pop(0) if self.replies else None
        if isinstance(scripted, bytes):
            return 200, scripted
        text = self._text(body) if scripted is None else scripted
        message = {"role": "assistant", "content": text}
        reply = {"model": "rule-2026-01", "choices": [{"message": message}]}
        return 200, json.dumps(reply).encode()

    def _text(self, body: dict[str, Any]) -> str:
        prompts = [m["content"] for m in body["messages"] if "<<< ASSISTANT" in m["content"]]
        return f"It counts [[words]].\n\nGrade: [[{grade(prompts[-1])}]]" if prompts else "ready"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 20

            def do_POST(self) -> None:
                server.answering.wait(20)
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path != "/v1/chat/completions":
                    status, content = 404, b"no such path"
                else:
                    status, content = server.answer(body, self.headers["Authorization"])
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", server.location)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        return Handler
