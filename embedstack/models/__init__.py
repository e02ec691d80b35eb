"""Facts about the models: their files, prompts, headers and reference vectors."""
