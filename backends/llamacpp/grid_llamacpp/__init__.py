"""llama.cpp for quantgrid. Importing this loads no engine."""

from grid_llamacpp.declaration import LlamaCpp

backend = LlamaCpp()
