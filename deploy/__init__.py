"""The toolkit: what a person types to put Qwen3-Embedding to work on their own machine."""
