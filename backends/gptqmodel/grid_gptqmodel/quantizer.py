"""Make GPTQ and AWQ checkpoints with GPTQModel."""

from __future__ import annotations

import contextlib
import os
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from grid.backend import Calibration
from grid.errors import EngineError, GridError, OutOfMemory, Unsupported
from grid_gptqmodel.calibration import pieces
from grid_gptqmodel.library import library, pinned, silent
from grid_gptqmodel.recipes import Form
from grid_gptqmodel.source import Source

WRITER_VERSION = 1
"""Raised whenever the same source would be written as other bytes."""
_BATCH = 4
_SEED = 0
_BACKENDS = {"gptq": "gptq_torch", "awq": "awq_torch"}


def identity() -> str:
    """Name and version of what makes the bytes; the pinned version where none is installed."""
    try:
        made_by = version("gptqmodel")
    except PackageNotFoundError:
        made_by = pinned("gptqmodel")
    return f"gptqmodel {made_by}, writer {WRITER_VERSION}"


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
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _make(checked, form, temporary, threads, texts, device)
        temporary.replace(target)
    except OSError as error:
        raise EngineError(f"{target.name} cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(temporary, ignore_errors=True)


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
    from grid_transformers.failures import first_line, is_out_of_memory
    from grid_transformers.loading import check_device, release

    from grid_gptqmodel.saved import tidy

    gptqmodel = library()
    import torch

    check_device(torch, device)
    torch.set_num_threads(max(1, threads))
    torch.manual_seed(_SEED)
    try:
        with silent():
            _run(gptqmodel, source, form, folder, texts, device)
        tidy(source, folder)
    except (GridError, OSError):
        raise
    except Exception as error:
        # Quantizers raise whatever their packages raise.
        if is_out_of_memory(error):
            raise OutOfMemory(f"{form.name}: out of memory ({first_line(error)})") from error
        raise EngineError(
            f"{form.name} of {source.folder.name} cannot be made: "
            f"{type(error).__name__}: {first_line(error)}"
        ) from error
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
