"""Run one workload on a loaded engine. The only owner of the clock; runs in the engine's process.

Imports nothing but the standard library, numpy, msgspec and psutil, so that it works in any
backend's own environment.
"""
