"""Weights behind a server, of which a report has a name alone."""

from __future__ import annotations

from grid.results.imports.cleaning import clean
from grid.results.imports.gguf_names import quant_in
from grid.results.imports.hidden_quant import quant_in_path
from grid.results.imports.record import ImportedWeights
from grid.results.imports.source import Source

_FORMATS = ("gguf", "exl3", "exl2", "mlx", "gptq", "awq")


def named_weights(source: Source, written: str, kind: str = "", quant: str = "") -> ImportedWeights:
    """Weights by their name, `Qwen/Qwen3-8B-AWQ`; `kind` is the format and `quant` the
    quantization where the report says them apart from it.

    A name without a quantization leaves it `as served`: a server may load any precision.
    """
    bare = written.rstrip("/").rsplit("/", 1)[-1]
    gguf = quant_in(bare)
    quant = quant or gguf or quant_in_path(written)
    if not quant:
        source.skip(f"no precision is said of {clean(written) or 'the model'}; it is 'as served'")
    lowered = written.lower()
    named = next((name for name in _FORMATS if name in lowered), "")
    return ImportedWeights(
        model=source.model_named(clean(bare)) or f"unnamed ({source.name})",
        quant=quant or "as served",
        format=kind or ("gguf" if gguf else named or "safetensors"),
    )
