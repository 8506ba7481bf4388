"""Each node's cache of artifacts; what it lacks comes from a peer or a hub, or is made."""
