"""llama.cpp's own converter as a backend that makes GGUF and runs nothing: it knows hundreds of
architectures. Importing this loads nothing of it."""

from grid_llamacpp.converter.declaration import Converter

backend = Converter()
