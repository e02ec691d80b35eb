"""What a GGUF says of itself."""
