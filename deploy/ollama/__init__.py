"""An Ollama: whether it can be used, what is in it, and the way of a GGUF into it."""
