"""llama.cpp for quantgrid. Importing this loads no engine."""

from grid_llamacpp.backend import LlamaCpp

backend = LlamaCpp()
