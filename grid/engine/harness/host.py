"""The harness's process: `python -m grid.engine.harness.host REQUESTS REPLIES`.

Runs in the harness's own environment; the two arguments are file descriptors of pipes.
"""

from __future__ import annotations

import os
import shutil
import sys

from grid.engine.harness import messages
from grid.errors import GridError, InputError

REACH_S = 5.0


def serve(request: messages.Request) -> messages.Reply:
    """The reply to one request; whatever goes wrong is a reply."""
    try:
        match request:
            case messages.ListTasks():
                from grid.engine.harness.catalog import list_tasks

                return messages.TaskList(list_tasks())
            case messages.Render():
                if request.hub:
                    _go_offline_unless_reachable()
                from grid.engine.harness.render import render

                return render(request)
            case messages.Score():
                from grid.engine.harness.answers import score_answers

                return score_answers(request)
    except InputError as error:
        return messages.Refused(reason=str(error), input=True)
    except GridError as error:
        return messages.Refused(reason=str(error))
    except Exception as error:  # the harness's tasks run code of their own, and raise anything
        text = " ".join(str(error).split())[:300]
        return messages.Refused(reason=f"lm-evaluation-harness: {type(error).__name__}: {text}")


def _go_offline_unless_reachable() -> None:
    """The hub's library tries for half a minute where there is no hub. What was downloaded before
    is read without it. Must come before that library is imported."""
    import urllib.error
    import urllib.request

    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    if any(os.environ.get(name) for name in messages.OFFLINE) or "huggingface_hub" in sys.modules:
        return
    try:
        urllib.request.urlopen(endpoint, timeout=REACH_S).close()
    except urllib.error.HTTPError:
        return  # it answered
    except (OSError, ValueError):
        os.environ.update(dict.fromkeys(messages.OFFLINE, "1"))


def main(arguments: list[str]) -> None:
    """Serve requests of the first pipe until it ends; the folder after the two goes with it."""
    for descriptor in map(int, arguments[:2]):
        os.set_inheritable(descriptor, False)
    with (
        os.fdopen(int(arguments[0]), "rb") as requests,
        os.fdopen(int(arguments[1]), "wb", buffering=0) as replies,
    ):
        for line in requests:
            replies.write(messages.encode(serve(messages.decode_request(line))))
    for folder in arguments[2:]:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
