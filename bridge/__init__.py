"""The bridge: instruction prompts, Matryoshka cuts and checked answers in front of an embedding engine."""
