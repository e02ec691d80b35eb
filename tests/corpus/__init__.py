"""Texts written for this project's tests: what the handbook is made from, a long document, near-duplicates, code."""
