"""Tables and lines for the terminal; every figure comes from elsewhere."""
