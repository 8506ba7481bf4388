"""Open models whose shapes are public: sizes and caches where no file is at hand."""

from grid.models.public.catalog import PublicModel, find_model, public_models, typical_bits
from grid.models.public.sizes import ComputedSize, computed_size, named_parameters

__all__ = [
    "ComputedSize",
    "PublicModel",
    "computed_size",
    "find_model",
    "named_parameters",
    "public_models",
    "typical_bits",
]
