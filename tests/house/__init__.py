"""The house: what the sources are as a whole, from their imports, names and lengths."""
