"""What a node keeps on its disk, and how it gets what it lacks: from peers, a hub, or made."""
