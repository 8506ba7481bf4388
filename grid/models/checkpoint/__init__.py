"""Checkpoint folders in Hugging Face's layout: their format, model, quant and packed weights."""
