"""vLLM for quantgrid. Importing this loads no engine."""

from grid_vllm.declaration import Vllm

backend = Vllm()
