"""Whether an engine computes the model's vectors."""
