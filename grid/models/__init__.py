"""Models: describes weights in files, on a hub, and of the bundled family."""
