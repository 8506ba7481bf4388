"""Servers that answer over HTTP, for quantgrid. Importing this starts and asks nothing."""

from grid_openai.declaration import OpenAI

backend = OpenAI()
