"""Time from starting an engine's process in a warm environment to our code running in it.

    uv run python scripts/bench_child.py [BACKEND...]

For each backend whose environment is made: seconds to the first line of `grid.engine.host`, and to
its first reply, median of nine; the engine's own import is in neither.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from grid.backend.registry import names
from grid.engine import messages
from grid.engine.environments import Interpreter, find_interpreter
from grid.engine.process import EngineProcess
from grid.errors import EngineError
from grid.hardware.probe import probe_node

TIMES = 9
LIMIT_S = 1.0


def first_line(interpreter: Interpreter) -> None:
    """Ends when the interpreter has found this package and runs its first statement."""
    code = "import grid, sys; sys.stdout.write('x')"
    environ = {**os.environ, **({"PYTHONPATH": interpreter.imports} if interpreter.imports else {})}
    subprocess.run([interpreter.python, "-c", code], env=environ, check=True, capture_output=True)


def first_reply(interpreter: Interpreter) -> None:
    with EngineProcess(interpreter.python, interpreter.imports) as process:
        try:
            process.ask(messages.Load(backend="none", path="", device="cpu", options={}), 60)
        except EngineError:
            return  # there is no such backend: it has read the request and answered


def median_s(run: Callable[[Interpreter], None], interpreter: Interpreter) -> float:
    run(interpreter)
    taken = []
    for _ in range(TIMES):
        start = time.perf_counter()
        run(interpreter)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main(wanted: list[str]) -> int:
    node = probe_node()
    slow = 0
    for name in wanted or names():
        interpreter = find_interpreter(name, node)
        if interpreter is None:
            print(f"{name}: its environment is not made")
            continue
        line, reply = median_s(first_line, interpreter), median_s(first_reply, interpreter)
        slow += line > LIMIT_S
        print(f"{name}: first line {line:.2f} s, first reply {reply:.2f} s")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
