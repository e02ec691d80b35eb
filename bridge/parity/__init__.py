"""Whether an engine makes the model's vectors."""
