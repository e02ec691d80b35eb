"""Model files: from the Hugging Face Hub or a disk, verified before any use, kept in the Hub's own cache."""
