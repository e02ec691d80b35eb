"""This machine: its addresses, its Ollama, and how files and processes are created on it."""
