"""AutoAWQ for quantgrid. Importing this loads no engine."""

from grid_autoawq.declaration import AutoAwq

backend = AutoAwq()
