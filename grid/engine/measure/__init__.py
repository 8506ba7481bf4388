"""Measures one workload on a loaded engine, in the engine's process; nothing else reads the clock.

It imports nothing but the standard library, numpy, msgspec and psutil, so that it works in any
backend's own environment.
"""
