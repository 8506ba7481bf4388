"""Models in Ollama's local store: `ollama:llama3.2:3b`.

model = find_model("ollama:llama3.2:3b")    # from its manifest; no byte is copied
model.path                                  # the GGUF, a blob named by its SHA-256
"""

from grid.models.ollama.address import PREFIX, OllamaAddress, parse
from grid.models.ollama.local import OllamaModel, find_model, stored_names, verify

__all__ = [
    "PREFIX",
    "OllamaAddress",
    "OllamaModel",
    "find_model",
    "parse",
    "stored_names",
    "verify",
]
