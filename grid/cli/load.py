"""`grid load`: many requests to an endpoint that runs."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from grid.cli.help_text import Commands
from grid.cli.options import Json

EXAMPLES = """
grid load http://127.0.0.1:8000 --model qwen3 --concurrency 1,4,16
grid load http://127.0.0.1:8000 --model qwen3 --rate 2,4 --ttft 500ms
grid load http://127.0.0.1:8000 --model qwen3 --find-rate --ttft 500ms
grid load https://HOST --model NAME --key-variable API_KEY --chat
"""

Url = Annotated[
    str, typer.Argument(metavar="URL", help="The server's root, such as http://127.0.0.1:8000.")
]
ModelName = Annotated[
    str, typer.Option("--model", metavar="NAME", help="The model's name on that server.")
]
Concurrency = Annotated[
    str | None,
    typer.Option(metavar="N,...", help="Clients at once, each of which waits for its answer."),
]
Rate = Annotated[
    str | None, typer.Option(metavar="R,...", help="Requests a second, whatever the answers.")
]
FindRate = Annotated[
    bool, typer.Option("--find-rate", help="The largest rate that keeps --ttft, --tpot and --e2e.")
]
ArrivalTimes = Annotated[
    Literal["poisson", "constant"],
    typer.Option("--arrivals", help="Gaps between requests of a rate."),
]
Ttft = Annotated[
    str | None, typer.Option(metavar="TIME", help="Limit of the time to first token: 500ms.")
]
Tpot = Annotated[
    str | None, typer.Option(metavar="TIME", help="Limit of the time for each further token: 50ms.")
]
E2e = Annotated[
    str | None, typer.Option(metavar="TIME", help="Limit of the time for the whole answer: 10s.")
]
Attainment = Annotated[
    float, typer.Option(metavar="SHARE", help="Share of requests that must keep every limit.")
]
PromptLengths = Annotated[
    str,
    typer.Option(
        "--prompt",
        metavar="TOKENS",
        help="512, 128-1024 (evenly between), or 512~0.5 (log-normal: median ~ sigma).",
    ),
]
OutputLengths = Annotated[
    str, typer.Option("--output", metavar="TOKENS", help="Most tokens of an answer, in that form.")
]
SharedPrefix = Annotated[
    int, typer.Option(metavar="TOKENS", help="Tokens with which every prompt begins.")
]
Prompts = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Prompts: JSONL with prompt or messages, and output_tokens."),
]
Chat = Annotated[bool, typer.Option("--chat", help="Ask through the model's chat template.")]
Requests = Annotated[
    int | None,
    typer.Option("--requests", metavar="N", help="End after so many, in place of --duration."),
]
Duration = Annotated[
    str, typer.Option(metavar="TIME", help="Time of each load, or of each rate that is tried.")
]
Warmup = Annotated[
    int, typer.Option(metavar="N", help="Requests left out. Default: as many as run at once.")
]
Timeout = Annotated[str, typer.Option(metavar="TIME", help="Most time of a request.")]
KeyVariable = Annotated[
    str, typer.Option(metavar="NAME", help="The environment variable that holds the server's key.")
]
Seed = Annotated[int, typer.Option(metavar="N", help="Of prompts, lengths and arrivals.")]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="FOLDER | URI",
        help="Also write rows into this store. They have the origin `grid load`.",
    ),
]
HardwareName = Annotated[
    str, typer.Option("--hardware", metavar="NAME", help="The server's machine, for the rows.")
]
QuantName = Annotated[
    str, typer.Option("--quant", metavar="TYPE", help="What the server has loaded, for the rows.")
]


def register(app: Commands) -> None:
    """Add the command to the command line."""
    app.command(epilog=EXAMPLES)(load)


def load(
    url: Url,
    model: ModelName,
    concurrency: Concurrency = None,
    rate: Rate = None,
    find_rate: FindRate = False,
    arrivals: ArrivalTimes = "poisson",
    ttft: Ttft = None,
    tpot: Tpot = None,
    e2e: E2e = None,
    attainment: Attainment = 0.9,
    prompt: PromptLengths = "512",
    output: OutputLengths = "128",
    shared_prefix: SharedPrefix = 0,
    prompts: Prompts = None,
    chat: Chat = False,
    requests: Requests = None,
    duration: Duration = "30s",
    warmup: Warmup = 0,
    timeout: Timeout = "120s",
    key_variable: KeyVariable = "",
    seed: Seed = 1,
    store: StoreOption = None,
    hardware: HardwareName = "",
    quant: QuantName = "",
    as_json: Json = False,
) -> None:
    """Measure an OpenAI-compatible server under load.

    Time to first token, time per token, throughput, and the share of requests that keep given
    limits: at so many clients (--concurrency), at a rate of arrivals (--rate), or at the largest
    rate that keeps the limits (--find-rate). It stops where the server is saturated. Failed
    requests are counted, and are in no latency. docs/load.md has the definitions.
    """
    from grid.cli.load_options import LoadOptions, run_loads
    from grid.results.imports.endpoint_load import ServedModel

    options = LoadOptions(
        url=url,
        key_variable=key_variable,
        concurrency=concurrency,
        rate=rate,
        find_rate=find_rate,
        arrivals=arrivals,
        limits={"ttft": ttft, "tpot": tpot, "e2e": e2e},
        attainment=attainment,
        prompt=prompt,
        output=output,
        shared_prefix=shared_prefix,
        prompts=prompts,
        chat=chat,
        requests=requests,
        duration=duration,
        warmup=warmup,
        timeout=timeout,
        seed=seed,
    )
    run_loads(options, ServedModel(name=model, quant=quant, hardware=hardware), store, as_json)
