"""Turns what a client sends into the text that the model reads."""
