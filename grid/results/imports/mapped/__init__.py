"""Tables of anybody, markdown or CSV, read by a map from their columns to metrics and facts."""
