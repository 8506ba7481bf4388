"""AutoGPTQ for quantgrid. Importing this loads no engine."""

from grid_autogptq.declaration import AutoGptq

backend = AutoGptq()
