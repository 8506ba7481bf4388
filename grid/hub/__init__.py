"""Models of the hub: `hf:REPO[/FILE][@REVISION]`.

    address = hub.parse("hf:owner/name/*.gguf")
    for weights in hub.select(hub.listing(address), address.file):
        found = hub.inspect(weights, reader)   # from the header alone
        path = hub.fetch(weights, progress)    # resumed, verified, in the user's own cache

huggingface_hub is imported by the first call that needs it, not with this package.
"""

from grid.hub.address import PREFIX, Address, parse
from grid.hub.header import inspect, stand_in
from grid.hub.local import Progress, fetch, missing_files, obtain
from grid.hub.repository import Listing, RemoteFile, listing
from grid.hub.weights import Weights, select

__all__ = [
    "PREFIX",
    "Address",
    "Listing",
    "Progress",
    "RemoteFile",
    "Weights",
    "fetch",
    "inspect",
    "listing",
    "missing_files",
    "obtain",
    "parse",
    "select",
    "stand_in",
]
