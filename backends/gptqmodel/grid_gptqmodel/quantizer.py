"""Make GPTQ and AWQ checkpoints with GPTQModel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grid_transformers.library import check_device, release
from grid_transformers.tokenizer import FILES as TOKENIZER_FILES
from grid_transformers.tokenizer import copy_tokenizer

from grid.backend import Calibration, Unsupported, package_version, write_whole
from grid_gptqmodel.calibration import pieces
from grid_gptqmodel.failures import quantizing
from grid_gptqmodel.library import library, silence_output
from grid_gptqmodel.recipes import Form
from grid_gptqmodel.source import Source

WRITER_VERSION = 1
"""Raised whenever the same source would be written as other bytes."""
_BATCH = 4
_SEED = 0
_BACKENDS = {"gptq": "gptq_torch", "awq": "awq_torch"}
_RUNTIME = Path(__file__).with_name("runtime.txt")
_OF_THE_RUN = ("quant_log.csv",)
_PLACES = ("offload_to_disk_path",)


def identity() -> str:
    """Name and version of what makes the bytes; the pinned version where none is installed."""
    return f"gptqmodel {package_version('gptqmodel', _RUNTIME)}, writer {WRITER_VERSION}"


def quantize(
    source: Path,
    form: Form,
    target: Path,
    threads: int,
    calibration: Calibration | None,
    device: str,
) -> None:
    """Write the 16-bit folder `source` in `form` to the folder `target`, which appears whole or not
    at all. Raises Unsupported for what cannot be made, EngineError where GPTQModel or the disk
    fails."""
    if calibration is None:
        raise Unsupported(f"{form.name} needs a calibration set: a text, samples and tokens")
    checked = Source(source, form)
    _check_length(checked, calibration)
    texts = pieces(calibration, source)
    with write_whole(target) as folder:
        _make(checked, form, folder, threads, texts, device)


def _check_length(source: Source, calibration: Calibration) -> None:
    limit = source.context_length
    if isinstance(limit, int) and calibration.tokens > limit:
        raise Unsupported(
            f"calibration pieces of {calibration.tokens} tokens are longer than the {limit} that "
            f"{source.folder.name} is made for"
        )


def _make(
    source: Source, form: Form, folder: Path, threads: int, texts: list[list[int]], device: str
) -> None:
    gptqmodel = library()
    import torch

    check_device(torch, device)
    torch.set_num_threads(max(1, threads))
    torch.manual_seed(_SEED)
    try:
        with quantizing(form.name, source.folder.name):
            with silence_output():
                _run(gptqmodel, source, form, folder, texts, device)
            tidy(source, folder)
    finally:
        release(device)


def _run(
    gptqmodel: Any, source: Source, form: Form, folder: Path, texts: list[list[int]], device: str
) -> None:
    examples = [{"input_ids": ids, "attention_mask": [1] * len(ids)} for ids in texts]
    model = gptqmodel.GPTQModel.load(
        str(source.folder),
        _config(gptqmodel, form, device),
        dtype=_compute_type(source),
        trust_remote_code=False,
    )
    model.quantize(examples, batch_size=_BATCH, backend=gptqmodel.BACKEND(_BACKENDS[form.method]))
    model.save(str(folder))


def _compute_type(source: Source) -> Any:
    """The source's own 16-bit type: GPTQModel's choice on a CPU, bfloat16, would round float16
    weights before they are quantized, and in 32 bits its AWQ makes broken checkpoints (a KLD of 5
    nats with 7.6.0)."""
    import torch

    return torch.float16 if source.dtype == "float32" else getattr(torch, source.dtype)


def _config(gptqmodel: Any, form: Form, device: str) -> Any:
    from gptqmodel.quantization.config import FORMAT, METHOD

    common: dict[str, Any] = {
        "bits": form.bits,
        "group_size": form.group,
        "sym": form.sym,
        "offload_to_disk": False,
        "device": device,
    }
    if form.method == "awq":
        return gptqmodel.QuantizeConfig(**common, method=METHOD.AWQ, format=FORMAT.GEMM)
    # Ordering columns by activation within groups costs a reader nothing; across groups it is -act.
    return gptqmodel.QuantizeConfig(
        **common,
        method=METHOD.GPTQ,
        format=FORMAT.GPTQ,
        desc_act=form.desc_act,
        act_group_aware=not form.desc_act and form.group > 0,
    )


def tidy(source: Source, folder: Path) -> None:
    """Make a saved folder independent of the machine and of the run: the source's own tokenizer
    instead of a rewritten one; no log, no path."""
    for name in _OF_THE_RUN:
        (folder / name).unlink(missing_ok=True)
    for name in TOKENIZER_FILES:
        (folder / name).unlink(missing_ok=True)
    copy_tokenizer(source.folder, folder)
    for name in ("config.json", "quantize_config.json"):
        path = folder / name
        if path.is_file():
            values = json.loads(path.read_text(encoding="utf-8"))
            path.write_text(json.dumps(_without_places(values), indent=2) + "\n", encoding="utf-8")


def _without_places(values: Any) -> Any:
    if not isinstance(values, dict):
        return values
    return {name: _without_places(value) for name, value in values.items() if name not in _PLACES}
