"""Checks of vectors, and what is done with correct ones."""
