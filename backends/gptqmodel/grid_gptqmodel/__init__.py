"""GPTQModel for quantgrid, which reads and makes GPTQ and AWQ. Importing this loads no engine."""

from grid_gptqmodel.declaration import GptqModel

gptq = GptqModel("gptq")
awq = GptqModel("awq")
