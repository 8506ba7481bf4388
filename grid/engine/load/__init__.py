"""Load against an endpoint: many requests over HTTP at once, and when each token came.

It runs in the engine's process like all that reads the clock, and in `grid load`; so it takes
nothing but the standard library, msgspec and numpy.
"""
