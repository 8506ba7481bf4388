"""Memory that a cell will take: as in transformers, and what is kept unpacked here."""

from __future__ import annotations

import math

import msgspec
from grid_transformers import memory

from grid.backend import Artifact, Needs, Options, Workload
from grid_gptqmodel.recipes import FORMS


def needs(artifact: Artifact, weight_bytes: int, options: Options, workload: Workload) -> Needs:
    """Bytes on host and device for a cell; pure."""
    usual = memory.needs(artifact, weight_bytes, options, workload)
    if options["device"] != "cpu" or not _unpacks(artifact, options):
        return usual
    unpacked = math.ceil(artifact.model.parameters * memory.element_bytes(artifact, options))
    return msgspec.structs.replace(usual, host_bytes=usual.host_bytes + unpacked)


def _unpacks(artifact: Artifact, options: Options) -> bool:
    """Whether the weights are kept unpacked beside the packed ones, as `kernels.choose` decides."""
    form = FORMS["gptq"].get(artifact.quant)
    packed = form is not None and form.bits == 4 and form.group > 0
    kernel = options["kernel"]
    return artifact.format == "gptq" and (kernel == "torch" or (kernel == "auto" and not packed))
