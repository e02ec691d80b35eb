"""Checks of a stack that runs on a GPU with the real weights: what `embedstack smoke` checks, and more, as tests."""
