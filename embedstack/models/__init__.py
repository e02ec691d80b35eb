"""What is known about the models: their files, prompts, header facts and reference vectors."""
