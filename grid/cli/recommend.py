"""`grid recommend`: what to run on a machine."""

from __future__ import annotations

from typing import Annotated

import typer

from grid.cli.options import Json, StoreUri


def register(app: typer.Typer) -> None:
    """Adds the command to an application."""
    app.command()(recommend)


def recommend(
    store: StoreUri = "results",
    hardware: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="A measured hardware class, or a part of its name. Default: the only one there.",
        ),
    ] = None,
    chip: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A chip that nobody measured: 'RTX 4090', 'M2 Max'."),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Memory of the machine or card, such as 24GiB."),
    ] = None,
    bandwidth: Annotated[
        str | None,
        typer.Option(metavar="RATE", help="With --memory, for any machine: such as 1008GB/s."),
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of that machine: cuda, metal, vulkan, rocm or cpu."),
    ] = None,
    reserved: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Memory kept for everything else; default: as usual."),
    ] = None,
    context: Annotated[
        int | None, typer.Option(metavar="TOKENS", help="Context that must fit; default 4096.")
    ] = None,
    kv: Annotated[
        str, typer.Option(metavar="TYPE", help="Type of the KV cache: f16, q8_0, q4_0 ...")
    ] = "f16",
    prompt: Annotated[
        int, typer.Option(metavar="TOKENS", help="Prompt that the time to first token is for.")
    ] = 512,
    min_decode: Annotated[
        str | None,
        typer.Option(
            metavar="RATE", help="Least token/s: a number, or interactive (10), over-5, fast (30)."
        ),
    ] = None,
    max_ttft: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Longest wait for the first token, such as 2s."),
    ] = None,
    use: Annotated[
        str,
        typer.Option(
            metavar="USE", help="balanced, chat, code, math, reasoning or recall: how tasks weigh."
        ),
    ] = "balanced",
    weights: Annotated[
        str | None,
        typer.Option(metavar="CLASS=N,...", help="Your own weights instead: math=2,code=1."),
    ] = None,
    min_share: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="Least share of the 16-bit capability: 0.95 or 95%."),
    ] = None,
    max_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Largest weight files, such as 8GiB.")
    ] = None,
    imported: Annotated[
        bool, typer.Option("--imported", help="Let figures that others measured be picked too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say what to run on a machine, why, and how sure that is.

    Figures are measured there, on a like machine, or predicted, and each says which.
    """
    from grid.cli.recommend_options import Words
    from grid.cli.views.recommend import show_advice

    words = Words(
        hardware=hardware,
        chip=chip,
        memory=memory,
        bandwidth=bandwidth,
        platform=platform,
        reserved=reserved,
        context=context,
        kv=kv,
        prompt=prompt,
        min_decode=min_decode,
        max_ttft=max_ttft,
        use=use,
        weights=weights,
        min_share=min_share,
        max_size=max_size,
        imported=imported,
    )
    show_advice(store, words, as_json)
