"""transformers for quantgrid. Importing this loads no engine."""

from grid_transformers.declaration import Transformers

backend = Transformers()
