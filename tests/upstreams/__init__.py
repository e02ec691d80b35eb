"""Engines that a test holds in its hand: one that misbehaves by name, one whose every request is written down."""
