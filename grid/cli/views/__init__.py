"""Prints tables and lines to the terminal; computes no figures."""
