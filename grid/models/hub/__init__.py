"""Models from a hub: lists, inspects and fetches `hf:REPO[/FILE][@REVISION]`.

    address = hub.parse("hf:owner/name/*.gguf")
    for weights in hub.select(hub.list_files(address), address.file):
        inspection = hub.inspect(weights, reader)   # from the header alone
        path = hub.fetch(weights, progress)         # resumed, verified, in the user's own cache

huggingface_hub is imported by the first call that needs it, not with this package.
"""

from grid.models.hub.address import PREFIX, Address, parse
from grid.models.hub.download import present_bytes
from grid.models.hub.header import inspect, stand_in
from grid.models.hub.local import Progress, fetch, find_weights, missing_files
from grid.models.hub.repository import Listing, RemoteFile, list_files
from grid.models.hub.weights import HubWeights, select

__all__ = [
    "PREFIX",
    "Address",
    "HubWeights",
    "Listing",
    "Progress",
    "RemoteFile",
    "fetch",
    "find_weights",
    "inspect",
    "list_files",
    "missing_files",
    "parse",
    "present_bytes",
    "select",
    "stand_in",
]
