"""Everything that a plugin imports: the contract, its types, and bases that save lines.

A backend is an ordinary distribution with an entry point in the group `quantgrid.backends` that
names an object satisfying `Backend`. It declares the small protocols its engine implements
(`capabilities`); the core asks for capabilities, never for names. The core owns the clock, memory
readings and statistics: an engine computes when called and returns when the result is there.

The contract is `grid.backend.contract`; any object with its members is a backend. `Declaration`,
`complete_options`, `translate_errors`, `token_scores` and the others hold what engines have in
common; using them is optional.

Errors: raise `OutOfMemory`, `Unsupported` or `EngineError` (grid.errors) with one clear line;
anything else, a crash or a hang, is caught by the process boundary and becomes a row as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grid.backend.contract import (
    ENTRY_POINT_GROUP,
    Availability,
    Backend,
    Calibration,
    Capability,
    ComposesRecipes,
    CountsTokens,
    Embeds,
    Engine,
    Generates,
    HasConverter,
    Imports,
    Logits,
    Needs,
    PredictedTypes,
    Predicts,
    PredictsTypes,
    Quantizes,
    Recipe,
    RecipeChanges,
    Scores,
    Serves,
    SpecialTokens,
    Steps,
    Tokenizes,
    TokenScores,
)
from grid.backend.declaration import Declaration, package_version, pinned_version
from grid.backend.endpoint import (
    ENDPOINT_FORMAT,
    DescribesEndpoints,
    Endpoint,
    EndpointSettings,
    HasEndpoint,
)
from grid.backend.estimates import embedding_width, logits_bytes
from grid.backend.failures import (
    first_line,
    is_out_of_memory,
    out_of_memory,
    translate_errors,
)
from grid.backend.options import (
    Check,
    complete_options,
    flag,
    noise_batch,
    noise_threads,
    one_of,
    whole_number,
)
from grid.backend.scoring import token_scores
from grid.backend.speculation import PlansSpeculation, Speculates, SpeculationCounts
from grid.cells.cell import Options
from grid.cells.serving import ServeCommand, ServeRequest, ShellCommand
from grid.cells.workload import Workload
from grid.errors import EngineError, InputError, OutOfMemory, Unsupported, did_you_mean
from grid.hardware.node import Accelerator, Node
from grid.models.artifact import Artifact, ArtifactFacts, Inspection
from grid.models.model import LayerState, Model

if TYPE_CHECKING:
    from grid.backend.child import ask_child
    from grid.backend.files import write_whole
    from grid.models.checkpoint.inspection import inspect as inspect_checkpoint
    from grid.models.gguf.inspection import inspect as inspect_gguf

_ON_DEMAND = {
    "ask_child": ("grid.backend.child", "ask_child"),
    "inspect_checkpoint": ("grid.models.checkpoint.inspection", "inspect"),
    "inspect_gguf": ("grid.models.gguf.inspection", "inspect"),
    "write_whole": ("grid.backend.files", "write_whole"),
}
"""Names that are imported when first asked for: name -> its module, and what it is called there."""


def __getattr__(name: str) -> Any:
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _ON_DEMAND[name]
    return getattr(import_module(module), attribute)


__all__ = [
    "ENDPOINT_FORMAT",
    "ENTRY_POINT_GROUP",
    "Accelerator",
    "Artifact",
    "ArtifactFacts",
    "Availability",
    "Backend",
    "Calibration",
    "Capability",
    "Check",
    "ComposesRecipes",
    "CountsTokens",
    "Declaration",
    "DescribesEndpoints",
    "Embeds",
    "Endpoint",
    "EndpointSettings",
    "Engine",
    "EngineError",
    "Generates",
    "HasConverter",
    "HasEndpoint",
    "Imports",
    "InputError",
    "Inspection",
    "LayerState",
    "Logits",
    "Model",
    "Needs",
    "Node",
    "Options",
    "OutOfMemory",
    "PlansSpeculation",
    "PredictedTypes",
    "Predicts",
    "PredictsTypes",
    "Quantizes",
    "Recipe",
    "RecipeChanges",
    "Scores",
    "ServeCommand",
    "ServeRequest",
    "Serves",
    "ShellCommand",
    "SpecialTokens",
    "Speculates",
    "SpeculationCounts",
    "Steps",
    "TokenScores",
    "Tokenizes",
    "Unsupported",
    "Workload",
    "ask_child",
    "complete_options",
    "did_you_mean",
    "embedding_width",
    "first_line",
    "flag",
    "inspect_checkpoint",
    "inspect_gguf",
    "is_out_of_memory",
    "logits_bytes",
    "noise_batch",
    "noise_threads",
    "one_of",
    "out_of_memory",
    "package_version",
    "pinned_version",
    "token_scores",
    "translate_errors",
    "whole_number",
    "write_whole",
]
