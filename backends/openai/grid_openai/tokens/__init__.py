"""Tokenizers: of a file or folder of this machine, of a server, or none at all."""
