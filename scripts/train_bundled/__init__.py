"""How the bundled family was made; run as `python -m train_bundled.train` from this folder."""
