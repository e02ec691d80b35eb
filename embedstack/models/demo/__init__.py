"""The demo model: a tiny Qwen3-architecture embedding model with constructed weights, built where it is used."""
