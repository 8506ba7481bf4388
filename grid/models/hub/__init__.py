"""Models of the hub: `hf:REPO[/FILE][@REVISION]`.

    address = hub.parse("hf:owner/name/*.gguf")
    for weights in hub.select(hub.listing(address), address.file):
        found = hub.inspect(weights, reader)   # from the header alone
        path = hub.fetch(weights, progress)    # resumed, verified, in the user's own cache

huggingface_hub is imported by the first call that needs it, not with this package.
"""

from grid.models.hub.address import PREFIX, Address, parse
from grid.models.hub.download import have_bytes
from grid.models.hub.header import inspect, stand_in
from grid.models.hub.local import Progress, fetch, missing_files, weights_of
from grid.models.hub.repository import Listing, RemoteFile, listing
from grid.models.hub.weights import Weights, select

__all__ = [
    "PREFIX",
    "Address",
    "Listing",
    "Progress",
    "RemoteFile",
    "Weights",
    "fetch",
    "have_bytes",
    "inspect",
    "listing",
    "missing_files",
    "parse",
    "select",
    "stand_in",
    "weights_of",
]
