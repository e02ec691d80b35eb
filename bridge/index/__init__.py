"""What an index is made with, and whether a request matches it."""
