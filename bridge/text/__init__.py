"""From what a client sends to the text that the model reads."""
