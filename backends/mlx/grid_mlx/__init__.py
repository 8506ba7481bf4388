"""Apple's MLX for quantgrid. Importing this loads no engine."""

from grid_mlx.declaration import Mlx

backend = Mlx()
